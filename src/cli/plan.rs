//! `edge plan`: what a program would do; reads are performed, nothing is changed.

use super::arguments::{Output, Plan};
use super::load::Workplace;
use super::run::{Stage, in_runtime, inputs, interruption, make_plan};
use super::{Status, draw, recorded};

pub fn plan(workplace: Workplace, arguments: Plan) -> Status {
    let loaded = workplace.text(&arguments.text).and_then(|text| workplace.load(text));
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(trouble) => {
            trouble.print();
            return Status::Wrong;
        }
    };
    loaded.places.report_inventory();
    if let Err(status) = loaded.report() {
        return status;
    }
    let inventory = loaded.checked.inventory.clone();
    let given = match inputs(&loaded.checked.program, &inventory, &arguments.vars) {
        Ok(given) => given,
        Err(message) => {
            anstream::eprintln!("error: {message}");
            return Status::Wrong;
        }
    };
    in_runtime(loaded.places.simulated(), async {
        let world = loaded.places.world(&inventory);
        let stage = Stage::new(&loaded, world.as_ref(), interruption()).seeing(recorded::seen(&workplace));
        let plan = match make_plan(&loaded, &stage, given).await {
            Ok(plan) => plan,
            Err(status) => return status,
        };
        let json = || plan.json(&inventory, &loaded.sources);
        match arguments.output {
            Output::Table => {
                let folder = &loaded.places.environment.working_directory;
                anstream::print!("{}", draw::plan(&plan.text(&inventory), folder))
            }
            Output::Json => anstream::println!("{}", serde_json::to_string_pretty(&json()).unwrap_or_default()),
            Output::Yaml => anstream::print!("{}", serde_yaml::to_string(&json()).unwrap_or_default()),
            Output::Csv => {
                anstream::eprintln!("error: a plan is no table: table, json and yaml are its formats");
                return Status::Wrong;
            }
        }
        Status::Done
    })
}

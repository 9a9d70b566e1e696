//! `edge plan`: what a program would do; reads are performed, nothing is changed.

use super::arguments::Plan;
use super::consent::show;
use super::load::Workplace;
use super::run::{Stage, in_runtime, inputs, interruption, make_plan};
use super::{Status, recorded};

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
            Err(unplanned) => return unplanned.show(&loaded, &stage, arguments.output),
        };
        if let Err(trouble) = show(&plan, None, &loaded, arguments.output) {
            trouble.print();
            return Status::Wrong;
        }
        Status::Done
    })
}

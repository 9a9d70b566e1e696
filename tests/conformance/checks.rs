//! The checks: what becomes of a program at a stack whose server or network is as each of them says.

use super::hostile::{Harm, answer, endless};
use super::{Became, Ground, Key, Stack};
use edge::cli::Status;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

type Check = for<'a> fn(&'a Stack) -> BoxFuture<'a, Verdict>;
type Verdict = Result<(), String>;

macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        /// How many there are.
        pub const COUNT: usize = [$(stringify!($name)),*].len();
        const ALL: [(&str, Check); COUNT] = [$((stringify!($name), |stack| Box::pin($name(stack)))),*];
    };
}

checks!(
    made_listed_ensured_and_removed,
    a_wrong_secret_is_denied_and_nothing_is_made,
    a_refusal_is_told_and_what_was_made_elsewhere_is_undone,
    a_lost_answer_is_found_again,
    a_lost_request_is_sent_again,
    no_connection_is_sent_again_later,
    a_slow_answer_makes_no_twin,
    a_late_request_leaves_nothing_under_xor,
    an_illness_makes_no_twin,
    too_many_requests_are_waited_for,
    all_pages_are_read,
    pages_without_end_are_left,
    a_body_without_end_is_left,
    what_is_not_json_is_no_answer,
    what_is_nested_without_end_is_no_answer,
    a_redirect_to_another_host_is_shown_no_secret,
    no_site_is_shown_the_secret_of_another,
    headers_without_end_are_left,
);

/// Those that fail, with what was seen.
pub fn all(stack: &Stack) -> Vec<(&'static str, String)> {
    let mut failed = Vec::new();
    for (name, check) in ALL {
        // Each in a world of its own, where time passes as soon as nobody has anything to do.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.expect("a runtime").block_on(check(stack))
        }));
        match checked {
            Ok(Ok(())) => {}
            Ok(Err(why)) => failed.push((name, why)),
            Err(panic) => {
                let why = panic.downcast_ref::<String>().cloned();
                let why = why.or_else(|| panic.downcast_ref::<&str>().map(|t| t.to_string()));
                failed.push((name, format!("it panicked: {}", why.unwrap_or_default())));
            }
        }
    }
    failed
}

fn expect(what: &str, holds: bool, became: &Became) -> Verdict {
    if holds {
        Ok(())
    } else {
        Err(format!("{what}; it became {:?}, gave `{}`, said\n{}", became.status, became.value, became.said))
    }
}

async fn there(ground: &Ground<'_>, site: &str, wanted: &[&str], became: &Became) -> Verdict {
    let names = ground.there(site).await;
    expect(&format!("{wanted:?} is to be at {site}, and there is {names:?}"), names == wanted, became)
}

fn creating(stack: &Stack, place: &str) -> String {
    format!("{} @ {place}", stack.create)
}

/// `create` at A with a harm to the first request that makes it.
async fn harmed(stack: &Stack, harm: Harm) -> (Ground<'_>, Became) {
    let ground = Ground::new(stack, 0);
    ground.network.befall("a", stack.making, 1, harm);
    let became = ground.run(&creating(stack, "A")).await;
    (ground, became)
}

async fn made_once(stack: &Stack, harm: Harm) -> Verdict {
    let (ground, became) = harmed(stack, harm).await;
    expect("it is to be done", became.status == Status::Done, &became)?;
    there(&ground, "A", &["one"], &became).await
}

async fn made_listed_ensured_and_removed(stack: &Stack) -> Verdict {
    let ground = Ground::new(stack, 0);
    let became = ground.run(&creating(stack, "A && B")).await;
    expect("it is to be made", became.status == Status::Done, &became)?;
    there(&ground, "A", &["one"], &became).await?;
    there(&ground, "B", &["one"], &became).await?;
    let again = ground.run(&creating(stack, "A")).await;
    expect("what is there already is to be refused", again.status == Status::Failed, &again)?;
    ground.network.forget();
    let ensured = ground.run(&format!("{} @ A && B", stack.ensure)).await;
    expect("`ensure` is to accept it", ensured.status == Status::Done, &ensured)?;
    let (method, path) = stack.making;
    let path = regex::Regex::new(path).expect("a regular expression");
    let sent = ground.network.seen().iter().any(|s| s.method == method && path.is_match(&s.path));
    expect("`ensure` of what is there is to change nothing", !sent, &ensured)?;
    let removed = ground.run(&format!("{} @ A && B", stack.delete)).await;
    expect("it is to be removed", removed.status == Status::Done, &removed)?;
    there(&ground, "A", &[], &removed).await?;
    there(&ground, "B", &[], &removed).await
}

async fn a_wrong_secret_is_denied_and_nothing_is_made(stack: &Stack) -> Verdict {
    let mut ground = Ground::new(stack, 0);
    ground.keys.insert("B".into(), Key::Wrong);
    let became = ground.run(&creating(stack, "A && B")).await;
    expect("it is to fail", became.status == Status::Failed, &became)?;
    let told = became.said.to_lowercase();
    expect("it is to tell that it is denied", ["denied", "accept"].iter().any(|w| told.contains(w)), &became)?;
    expect("no secret is to be printed", !told.contains("not-the-password"), &became)?;
    ground.keys.clear();
    there(&ground, "A", &[], &became).await?;
    there(&ground, "B", &[], &became).await
}

async fn a_refusal_is_told_and_what_was_made_elsewhere_is_undone(stack: &Stack) -> Verdict {
    let ground = Ground::new(stack, 0);
    let (status, body, kind) = stack.refusal;
    let refused =
        Arc::new(move |_: &http::request::Parts| answer(status, kind, body.replace("WHY", "the stars are wrong")));
    ground.network.befall("b", stack.making, 9, Harm::Instead(refused));
    let became = ground.run(&creating(stack, "A && B")).await;
    expect("it is to fail", became.status == Status::Failed, &became)?;
    expect("it is to tell why", became.said.contains("the stars are wrong"), &became)?;
    there(&ground, "A", &[], &became).await?;
    there(&ground, "B", &[], &became).await?;
    ground.network.befall("a", stack.making, 9, Harm::Instead(Arc::new(move |_| answer(status, kind, body))));
    let became = ground.run(&creating(stack, "A || B")).await;
    expect("the other site is to be taken", became.status == Status::Done, &became)?;
    there(&ground, "A", &[], &became).await?;
    there(&ground, "B", &["one"], &became).await
}

async fn a_lost_answer_is_found_again(stack: &Stack) -> Verdict {
    made_once(stack, Harm::LoseAnswer).await
}

async fn a_lost_request_is_sent_again(stack: &Stack) -> Verdict {
    made_once(stack, Harm::LoseRequest).await
}

async fn no_connection_is_sent_again_later(stack: &Stack) -> Verdict {
    made_once(stack, Harm::Refuse).await
}

async fn a_slow_answer_makes_no_twin(stack: &Stack) -> Verdict {
    made_once(stack, Harm::SlowAnswer(Duration::from_secs(600))).await
}

/// The request arrives after its sender has given up; with a ticket, long after the other site has been taken.
async fn a_late_request_leaves_nothing_under_xor(stack: &Stack) -> Verdict {
    let ground = Ground::new(stack, 0);
    let late = Duration::from_secs(if stack.ticket { 600 } else { 70 });
    ground.network.befall("a", stack.making, 1, Harm::Late(late));
    let became = ground.run(&creating(stack, "A xor B")).await;
    expect("it is to be done", became.status == Status::Done, &became)?;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    let (a, b) = (ground.there("A").await, ground.there("B").await);
    expect(&format!("it is to be at one site: {a:?} {b:?}"), a.len() + b.len() == 1, &became)
}

async fn an_illness_makes_no_twin(stack: &Stack) -> Verdict {
    let ill = |_: &http::request::Parts| answer(502, "text/html", "<html><h1>502 Bad Gateway</h1></html>");
    made_once(stack, Harm::Instead(Arc::new(ill))).await?;
    made_once(stack, Harm::After(Arc::new(ill))).await
}

async fn too_many_requests_are_waited_for(stack: &Stack) -> Verdict {
    let (_, body, kind) = stack.refusal;
    let busy = move |_: &http::request::Parts| {
        let mut response = answer(429, kind, body.replace("WHY", "too many requests"));
        response.headers_mut().insert("retry-after", http::HeaderValue::from_static("7"));
        response
    };
    let began = tokio::time::Instant::now();
    made_once(stack, Harm::Instead(Arc::new(busy))).await?;
    let waited = began.elapsed();
    if waited >= Duration::from_secs(7) { Ok(()) } else { Err(format!("it waited {waited:?}, and was told 7 s")) }
}

async fn all_pages_are_read(stack: &Stack) -> Verdict {
    if stack.looping.is_none() {
        return Ok(());
    }
    let ground = Ground::new(stack, stack.many);
    ground.network.forget();
    let became = ground.run(&format!("{} @ A select name", stack.list)).await;
    let path = regex::Regex::new(stack.listing.1).expect("a regular expression");
    let pages = ground.network.seen().iter().filter(|s| s.method == stack.listing.0 && path.is_match(&s.path)).count();
    expect(
        &format!("{} rows are to be read, in several pages: {pages}", stack.many),
        became.names.len() == stack.many && pages > 1,
        &became,
    )?;
    let mut names = became.names.clone();
    names.sort();
    names.dedup();
    expect("each row once", names.len() == stack.many, &became)
}

/// `list` whose first page is such an answer: an error, and not a panic, a hang or half a table.
async fn unlistable(stack: &Stack, harm: Harm, words: &[&str]) -> Result<Became, String> {
    let ground = Ground::new(stack, 3);
    ground.network.befall("a", stack.listing, usize::MAX, harm);
    let became = ground.run(&format!("{} @ A select name", stack.list)).await;
    expect("the list is to fail", became.status != Status::Done, &became)?;
    let told = became.said.to_lowercase();
    expect(&format!("it is to say one of {words:?}"), words.iter().any(|w| told.contains(w)), &became)?;
    Ok(became)
}

async fn pages_without_end_are_left(stack: &Stack) -> Verdict {
    let Some(looping) = stack.looping else { return Ok(()) };
    let page = move |parts: &http::request::Parts| looping(&parts.uri.to_string());
    unlistable(stack, Harm::Instead(Arc::new(page)), &["no end", "same page", "again"]).await.map(|_| ())
}

async fn a_body_without_end_is_left(stack: &Stack) -> Verdict {
    unlistable(stack, Harm::Instead(Arc::new(|_| endless())), &["larger than"]).await?;
    made_once(stack, Harm::After(Arc::new(|_| endless()))).await
}

async fn what_is_not_json_is_no_answer(stack: &Stack) -> Verdict {
    for (kind, body) in [
        ("application/json", "<html>surprise</html>"),
        ("text/html", "<html><body>Please log in</body></html>"),
        ("image/png", "\u{89}PNG"),
        ("application/json", ""),
        ("application/json", "[[[]]]"),
        ("application/json", "7"),
    ] {
        let strange = move |_: &http::request::Parts| answer(200, kind, body);
        unlistable(stack, Harm::Instead(Arc::new(strange)), &["json", "text", "rows", "expected", "empty", "answered"])
            .await
            .map_err(|why| format!("{kind} `{body}`: {why}"))?;
        made_once(stack, Harm::After(Arc::new(strange))).await.map_err(|why| format!("{kind} `{body}`: {why}"))?;
    }
    Ok(())
}

async fn what_is_nested_without_end_is_no_answer(stack: &Stack) -> Verdict {
    let deep = |_: &http::request::Parts| answer(200, "application/json", "[".repeat(200_000));
    unlistable(stack, Harm::Instead(Arc::new(deep)), &["json"]).await?;
    made_once(stack, Harm::After(Arc::new(deep))).await
}

async fn a_redirect_to_another_host_is_shown_no_secret(stack: &Stack) -> Verdict {
    for status in [301, 302, 307, 308] {
        let away = move |parts: &http::request::Parts| {
            let mut response = answer(status, "text/plain", "elsewhere");
            let path = parts.uri.path();
            let location = format!("http://thief.test{path}").parse().expect("a header");
            response.headers_mut().insert("location", location);
            response
        };
        let ground = Ground::new(stack, 3);
        ground.network.befall("a", stack.listing, usize::MAX, Harm::Instead(Arc::new(away)));
        let became = ground.run(&format!("{} @ A select name", stack.list)).await;
        expect("the list is to fail", became.status != Status::Done, &became)?;
        let stolen = ground.network.seen().into_iter().find(|s| s.host.contains("thief"));
        expect(&format!("nothing is to be sent there, {status}"), stolen.is_none(), &became)?;
    }
    Ok(())
}

async fn no_site_is_shown_the_secret_of_another(stack: &Stack) -> Verdict {
    let ground = Ground::new(stack, 0);
    let became = ground.run(&creating(stack, "A && B")).await;
    expect("it is to be made", became.status == Status::Done, &became)?;
    for (host, other) in [("a", "B"), ("b", "A")] {
        let secrets = (ground.served.secrets)(other);
        let shown = ground.network.seen().into_iter().filter(|s| s.host.to_lowercase().starts_with(host));
        let shown = shown.into_iter().find(|s| secrets.iter().any(|secret| s.headers.contains(secret)));
        if let Some(seen) = shown {
            return Err(format!("the secret of {other} is in {} {} to {}", seen.method, seen.path, seen.host));
        }
    }
    Ok(())
}

async fn headers_without_end_are_left(stack: &Stack) -> Verdict {
    super::endless::headers(stack).await
}

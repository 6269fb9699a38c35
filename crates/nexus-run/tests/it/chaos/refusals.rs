//! Providers that refuse, fail or limit in good order (F1 to F3, F12, F16).

use std::time::Duration;

use nexus_core::event::RunEvent;
use nexus_test_support::provider::{Act, Provider, json, piece, status, with_headers};

use super::good::events;
use super::{BOTH, Chaos, KEY, always, first};

fn limited(header: &str) -> Vec<Act> {
    with_headers("429 Too Many Requests", &format!("{header}\r\n"), "{}")
}

#[tokio::test]
async fn f01_a_provider_that_asks_for_a_second_gets_it() {
    for model in BOTH {
        let twice = [limited("retry-after: 1"), limited("retry-after-ms: 1000")];
        let provider = Provider::acting(first(twice));
        let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
        outcome.is_fine();
        assert_eq!(provider.asked(), 3);
        assert!(outcome.took >= Duration::from_secs(2), "{:?}", outcome.took);
    }
}

#[tokio::test]
async fn f02_nobody_waits_for_what_is_too_long_or_makes_no_sense() {
    for model in BOTH {
        let provider = Provider::acting(always(limited("retry-after: 3600")));
        let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
        outcome.is_failed("provider_rate_limited");
        assert_eq!(provider.asked(), 1);
        let passed_on = outcome.events.iter().any(|event| {
            matches!(event, RunEvent::Error { retry_after, .. } if *retry_after == Some(3600))
        });
        assert!(passed_on, "{:?}", outcome.events);

        for nonsense in [
            "retry-after: -5",
            "retry-after: soon",
            "date: Wed, 21 Oct 2015 07:28:00 GMT\r\nretry-after: Wed, 21 Oct 2015 07:27:00 GMT",
        ] {
            let provider = Provider::acting(always(limited(nonsense)));
            let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
            outcome.is_failed("provider_rate_limited");
            assert!(provider.asked() <= 3);
            assert!(outcome.took < Duration::from_secs(2), "{:?}", outcome.took);
        }
    }
}

#[tokio::test]
async fn f03_a_failure_is_tried_again_and_then_told() {
    for model in BOTH {
        for code in ["500 Oh", "502 Oh", "503 Oh", "529 Oh"] {
            let provider = Provider::acting(first([status(code), status(code)]));
            Chaos::new(&provider.base_url)
                .await
                .ask(model)
                .await
                .is_fine();
            assert_eq!(provider.asked(), 3);
        }
        let provider = Provider::acting(always(status("500 Oh")));
        let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
        outcome.is_failed("provider_failed");
        assert_eq!(provider.asked(), 3);
    }
}

#[tokio::test]
async fn f03_a_wrong_request_is_sent_once() {
    for model in BOTH {
        for code in ["400", "404", "413", "422"] {
            let provider = Provider::acting(always(status(&format!("{code} No"))));
            let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
            outcome.is_failed(match code {
                "413" => "context_length_exceeded",
                _ => "provider_rejected",
            });
            assert_eq!(provider.asked(), 1);
        }
    }
}

#[tokio::test]
async fn f03_a_refused_key_is_told_to_the_log_and_not_to_people() {
    for model in BOTH {
        let provider = Provider::acting(always(status("401 Unauthorized")));
        let chaos = Chaos::new(&provider.base_url).await;
        let outcome = chaos.ask(model).await;
        outcome.is_failed("provider_unauthorized");
        chaos.ask(model).await.is_failed("provider_unauthorized");
        assert_eq!(provider.asked(), 2);
        let message = outcome.events.iter().find_map(|event| match event {
            RunEvent::Error { message, .. } => Some(message.clone()),
            _ => None,
        });
        let message = message.unwrap();
        assert!(
            !message.contains("key") && !message.contains("401"),
            "{message}"
        );
        let log = chaos.log.text();
        let alarms = log.lines().filter(|line| line.contains("ERROR")).count();
        assert_eq!(alarms, 1, "{log}");
        let genesis = chaos.world.orchestrator.template.current().unwrap();
        let asked = genesis.model(model).unwrap();
        let reason = chaos.world.orchestrator.unavailable(asked).unwrap();
        assert!(reason.contains("not set up correctly"), "{reason}");
    }
}

#[tokio::test]
async fn f12_an_error_inside_a_success_is_a_failure() {
    let error = r#"{"error":{"message":"overloaded","code":503}}"#;
    let provider = Provider::acting(first([events(&format!("data: {error}\n\n"))]));
    Chaos::new(&provider.base_url)
        .await
        .ask("streaming")
        .await
        .is_fine();
    let provider = Provider::acting(first([json(error)]));
    Chaos::new(&provider.base_url)
        .await
        .ask("whole")
        .await
        .is_fine();

    let later = format!("{}data: {error}\n\n", piece("Half"));
    let provider = Provider::acting(first([events(&later)]));
    let outcome = Chaos::new(&provider.base_url).await.ask("streaming").await;
    outcome.is_interrupted("Half", "provider_interrupted");
    assert_eq!(provider.asked(), 1);

    let refused = r#"{"error":{"message":"context too long","code":400}}"#;
    let provider = Provider::acting(always(json(refused)));
    let outcome = Chaos::new(&provider.base_url).await.ask("whole").await;
    outcome.is_failed("provider_rejected");
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn f16_a_provider_that_repeats_its_key_gives_nothing_away() {
    let echo = format!(r#"{{"error":{{"message":"Incorrect API key provided: {KEY}."}}}}"#);
    let kind = "content-type: application/json\r\n";
    let cases = [
        with_headers("400 No", kind, &echo),
        with_headers("401 No", kind, &echo),
        with_headers("429 No", kind, &echo),
        with_headers("500 No", kind, &echo),
        with_headers(
            "500 No",
            "content-type: text/html\r\n",
            &format!("<p>{KEY}</p>"),
        ),
        with_headers("200 OK", &format!("content-type: text/{KEY}\r\n"), ""),
        with_headers("200 OK", &format!("content-encoding: {KEY}\r\n"), ""),
        json(&echo),
        events(&format!("data: {echo}\n\n")),
        events(&format!("{}data: {echo}\n\n", piece("Half"))),
    ];
    for model in BOTH {
        for acts in cases.clone() {
            let provider = Provider::acting(always(acts));
            // That it is nowhere, in no log either, is looked after for every run.
            let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
            assert!(outcome.code().is_some());
        }
    }
}

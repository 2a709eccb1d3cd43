//! An ALTO client's way: directory, network map, cost map.

use axum::http::{StatusCode, header};
use owl_measure::time::Nanos;

use super::served::{OUT, Served};

#[tokio::test]
async fn a_client_finds_the_costs_by_the_directory_and_their_map_is_of_the_network_map_it_has() {
    let served = Served::new();
    let directory = served.get("/api/v1/alto").await;
    assert_eq!(
        directory.headers[header::CONTENT_TYPE],
        "application/alto-directory+json"
    );
    let directory = directory.json();
    let network = directory["meta"]["default-alto-network-map"]
        .as_str()
        .unwrap();
    let resources = directory["resources"].as_object().unwrap();
    let network_map = served
        .get(resources[network]["uri"].as_str().unwrap())
        .await;
    assert_eq!(
        network_map.headers[header::CONTENT_TYPE],
        resources[network]["media-type"].as_str().unwrap()
    );
    let network_map = network_map.json();
    let groups = network_map["network-map"].as_object().unwrap();
    assert_eq!(groups["elsewhere"]["ipv4"][0], "0.0.0.0/0");
    let mut maps = 0;
    for (name, resource) in resources {
        if name == network {
            continue;
        }
        maps += 1;
        assert_eq!(resource["uses"][0], network);
        let cost_map = served.get(resource["uri"].as_str().unwrap()).await;
        assert_eq!(
            cost_map.headers[header::CONTENT_TYPE],
            resource["media-type"].as_str().unwrap()
        );
        let cost_map = cost_map.json();
        let meta = &cost_map["meta"];
        assert_eq!(meta["dependent-vtags"][0], network_map["meta"]["vtag"]);
        let type_name = resource["capabilities"]["cost-type-names"][0]
            .as_str()
            .unwrap();
        assert_eq!(
            meta["cost-type"],
            directory["meta"]["cost-types"][type_name]
        );
        assert_eq!(meta["cost-type"]["cost-metric"], name.replace("-p", ":p"));
        let costs = cost_map["cost-map"].as_object().unwrap();
        assert!(costs.keys().all(|source| groups.contains_key(source)));
        let (from, to) = OUT.split_once('~').unwrap();
        let cost = costs[from][to].as_f64().unwrap();
        // Microseconds: less than the millisecond of its target.
        assert!((1.0..1_000.0).contains(&cost), "{cost}");
    }
    assert_eq!(maps, 3);
}

#[tokio::test]
async fn what_is_stale_is_no_cost_and_a_map_without_costs_is_refused() {
    let served = Served::new();
    let address = "/api/v1/alto/costmap/delay-ow/p95";
    let pairs = |told: serde_json::Value| -> usize {
        let costs = told["cost-map"].as_object().unwrap().values();
        costs
            .map(|of_source| of_source.as_object().unwrap().len())
            .sum()
    };
    assert_eq!(pairs(served.get(address).await.json()), 2);
    let age = |path: &str| {
        let mut table = served.live.write();
        let latest = table.path_mut(path).unwrap().latest.as_mut().unwrap();
        latest.window_start = latest.window_start - Nanos::from_secs(60);
    };
    age(OUT);
    assert_eq!(pairs(served.get(address).await.json()), 1);
    age(super::served::BACK);
    let refused = served.get(address).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    refused.is_problem("stale");
}

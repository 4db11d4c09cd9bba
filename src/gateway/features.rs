//! Supported features, and a cluster of one node. Needs no token: it reveals nothing about anyone.

use std::net::SocketAddr;

use tonic::{Request, Response, Status};

use super::{
    Service,
    event::{Ids, write_id},
    listen::LocalAddress,
    wire::{
        Empty,
        gossip::{ClusterInfo, EndPoint, MemberInfo, gossip_server::Gossip, member_info::VNodeState},
        server_features::{SupportedMethod, SupportedMethods, server_features_server::ServerFeatures},
    },
};

/// Protocol version: clients choose their requests by it.
const CONTRACT: &str = "24.6.0";

/// Service, method, features. In lower case, as compared by clients.
const METHODS: [(&str, &str, &[&str]); 5] = [
    ("event_store.client.streams.streams", "read", &[]),
    ("event_store.client.streams.streams", "append", &[]),
    ("event_store.client.streams.streams", "batchappend", &["deadline_duration"]),
    ("event_store.client.server_features.serverfeatures", "getsupportedmethods", &[]),
    ("event_store.client.gossip.gossip", "read", &[]),
];

#[tonic::async_trait]
impl ServerFeatures for Service {
    async fn get_supported_methods(&self, _: Request<Empty>) -> Result<Response<SupportedMethods>, Status> {
        let method = |(service, method, features): (&str, &str, &[&str])| SupportedMethod {
            method_name: method.to_owned(),
            service_name: service.to_owned(),
            features: features.iter().map(|feature| (*feature).to_owned()).collect(),
        };
        let methods = METHODS.into_iter().map(method).collect();
        Ok(Response::new(SupportedMethods { methods, event_store_server_version: CONTRACT.to_owned() }))
    }
}

#[tonic::async_trait]
impl Gossip for Service {
    async fn read(&self, request: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        let here = request.extensions().get::<LocalAddress>().and_then(|local| local.0);
        let clock = self.journal.clock();
        let member = MemberInfo {
            instance_id: Some(write_id(self.instance.0, Ids::Text)),
            time_stamp: clock.now().timestamp_micros().saturating_mul(10),
            state: VNodeState::Leader.into(),
            is_alive: true,
            http_end_point: here.map(end_point),
        };
        Ok(Response::new(ClusterInfo { members: vec![member] }))
    }
}

fn end_point(address: SocketAddr) -> EndPoint {
    EndPoint { address: address.ip().to_canonical().to_string(), port: address.port().into() }
}

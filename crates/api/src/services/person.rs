//! `PersonService`: people.

use super::service;

service! {
    impl person_service_server::PersonService;
    commands {
    }
    others {}
}

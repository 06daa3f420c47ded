//! Judges of the whole API: moto's tests, the calls of Terraform, requests generated from the service models. They are in
//! `judges/contract`.
#![cfg(feature = "server")]

use crate::suite;
use std::time::Duration;

use kvs_local::LocalKvs;
use suite::{Judges, assert_suite_passes, assert_suite_passes_on};

#[tokio::test(flavor = "multi_thread")]
async fn tests_of_moto_pass_but_for_the_accepted_ones() {
    let judges = Judges { modules: &["boto3", "moto.server", "pytest"], tools: &[] };
    if test_judges::python_data("../judges/contract/moto_tests.py", "share/moto-tests/tests/test_kinesisvideo")
        .is_none()
    {
        return;
    }
    // The region of the tests.
    assert_suite_passes_on(LocalKvs::builder().region("ap-northeast-1"), "../judges/contract/moto_tests.py", &judges)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_terraform_succeed_in_their_order() {
    let judges = Judges { modules: &["boto3"], tools: &[] };
    let builder = LocalKvs::builder().transition_delay(Duration::from_millis(300));
    assert_suite_passes_on(builder, "../judges/contract/terraform.py", &judges).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_each_constraint_of_the_models_are_taken_or_refused_as_they_say() {
    let judges = Judges { modules: &["boto3"], tools: &[] };
    assert_suite_passes("../judges/contract/models.py", &judges).await;
}

//! The directory that a server keeps everything in.

use signoff_testkit::{Backend, Place};

use crate::{
    real::{ADMIN_KEY, Server},
    run::{finish, signoff},
};

#[test]
fn a_data_directory_has_one_server() {
    let server = Server::at(Place::blocking_on(Backend::Sqlite), &[]);
    let mut second = signoff(&["serve", "--listen", "127.0.0.1:0"]);
    second
        .envs(server.place.settings())
        .env("SIGNOFF_ADMIN_KEY", ADMIN_KEY);
    let ran = finish(second);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(!ran.stderr.contains(ADMIN_KEY), "{}", ran.stderr);
}

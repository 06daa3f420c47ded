//! What a reload changes.

use super::config::Cameras;

/// Which cameras a reload starts, restarts and stops; all others are not touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) start: Vec<String>,
    pub(super) restart: Vec<String>,
    pub(super) stop: Vec<String>,
    pub(super) unchanged: usize,
}

impl Plan {
    /// Compares the cameras that run with those that are wanted.
    pub(super) fn new(running: &Cameras, wanted: &Cameras) -> Self {
        let mut plan = Self::default();
        for (name, config) in wanted {
            match running.get(name) {
                None => plan.start.push(name.clone()),
                Some(now) if now != config => plan.restart.push(name.clone()),
                Some(_) => plan.unchanged += 1,
            }
        }
        plan.stop.extend(running.keys().filter(|name| !wanted.contains_key(*name)).cloned());
        plan
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::commands::gateway::config::Config;

    fn cameras(text: &str) -> Cameras {
        Config::parse(text, Path::new("cameras.toml")).expect("the configuration is right").cameras
    }

    const BEFORE: &str = "
        [camera.door]
        url = 'exec:door'
        stream = 'front-door'
        [camera.garden]
        url = 'exec:garden'
        stream = 'garden'
        [camera.roof]
        url = 'rtsp://10.0.0.5/main'
        user = 'kvs'
        password = 'old'
        stream = 'roof'
    ";

    #[test]
    fn a_reload_touches_only_what_has_changed() {
        let before = cameras(BEFORE);
        assert_eq!(Plan::new(&before, &before), Plan { unchanged: 3, ..Plan::default() });
        let after = BEFORE.replace("exec:garden", "exec:garden --new").replace("camera.door", "camera.gate");
        let plan = Plan::new(&before, &cameras(&after));
        assert_eq!(
            plan,
            Plan {
                start: vec!["gate".to_owned()],
                restart: vec!["garden".to_owned()],
                stop: vec!["door".to_owned()],
                unchanged: 1,
            }
        );
    }

    #[test]
    fn a_new_password_or_a_default_of_all_cameras_is_a_change_of_the_camera() {
        let before = cameras(BEFORE);
        let restarts = |text: &str| Plan::new(&before, &cameras(text)).restart;
        assert_eq!(restarts(&BEFORE.replace("'old'", "'new'")), ["roof"]);
        assert_eq!(restarts(&format!("{BEFORE}\n[aws]\nregion = 'eu-west-1'")), ["door", "garden", "roof"]);
    }

    #[test]
    fn the_order_and_the_form_of_the_file_are_no_change() {
        let before = cameras(BEFORE);
        let after = cameras(
            "
            camera.roof = { stream = 'roof', url = 'rtsp://10.0.0.5/main', password = 'old', user = 'kvs' }
            camera.garden = { stream = 'garden', url = 'exec:garden' }
            camera.door = { stream = 'front-door', url = 'exec:door' } # the same
            ",
        );
        assert_eq!(Plan::new(&before, &after), Plan { unchanged: 3, ..Plan::default() });
    }
}

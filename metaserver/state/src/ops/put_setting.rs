//! Change a cluster setting, or put it back to its default.

use holdfast_proto::op::PutSetting;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse};
use crate::keys;
use crate::records::Setting;
use crate::settings;

pub(crate) fn apply(cx: &mut Change<'_>, op: &PutSetting) -> Outcome {
    let about = settings::about(&op.name)
        .ok_or_else(|| refuse(Code::NotFound, format!("there is no setting {:?}", op.name)))?;
    if op.value.is_empty() {
        cx.remove(keys::setting(about.name));
        return Ok(cx.reply());
    }
    about.check(&op.value).map_err(|why| refuse(Code::InvalidArgument, why))?;
    cx.store(keys::setting(about.name), &Setting { value: op.value.clone() });
    Ok(cx.reply())
}

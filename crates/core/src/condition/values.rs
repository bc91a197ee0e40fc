//! What expressions see of JSON: borrowed, converted only where it is looked at. Whole numbers are integers as far as they
//! fit, so that `x + 1` works; the library's own conversion would make them unsigned.

use std::collections::HashMap;

use cel::{
    ExecutionError,
    common::{
        traits::{Container, Indexer, Sizer},
        types::{
            CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, MAP_TYPE,
            Type,
        },
        value::{CowVal, Val},
    },
};
use serde_json::{Map, Value};

/// One of the objects that expressions start from, of which nothing is converted but what is looked at. The library's
/// operators do not know it, so it stands only where a field of it, its size or the presence of a key is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Root<'a>(pub(super) &'a Map<String, Value>);

/// A value as expressions see it.
pub(super) fn val(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(truth) => Box::new(CelBool::from(*truth)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Box::new(CelInt::from(int)),
            (None, Some(uint)) => Box::new(CelUInt::from(uint)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(val).collect::<Vec<_>>())),
        Value::Object(object) => Box::new(map(object)),
    }
}

/// An object, converted whole.
pub(super) fn map(object: &Map<String, Value>) -> CelMap<'_> {
    let entries: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> = object
        .iter()
        .map(|(key, value)| (CelMapKey::from(key.as_str()), val(value)))
        .collect();
    CelMap::from(entries)
}

fn text_of(key: &dyn Val) -> Result<&str, ExecutionError> {
    key.downcast_ref::<CelString>()
        .map(CelString::inner)
        .ok_or_else(|| ExecutionError::UnexpectedType {
            got: key.get_type().name().to_owned(),
            want: "string".to_owned(),
        })
}

impl Val for Root<'_> {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }
    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }
    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }
    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Container for Root<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.0.contains_key(text_of(key)?))
    }
}

impl Indexer for Root<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let key = text_of(key)?;
        let value = self.0.get(key).ok_or_else(|| ExecutionError::no_such_key(key))?;
        Ok(CowVal::Owned(val(value)))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let key = text_of(key)?;
        let value = self.0.get(key).ok_or_else(|| ExecutionError::no_such_key(key))?;
        Ok(val(value))
    }
}

impl Sizer for Root<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.0.len()).unwrap_or(i64::MAX))
    }
}

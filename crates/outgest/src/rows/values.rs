//! Growing buffers of one column type, and their Arrow form.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, ListArray, MapArray, PrimitiveArray, StringArray, StructArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Fields};
use model::ColumnType;

/// Values of a column, or of the items of a list.
#[derive(Debug)]
pub enum Values {
    /// UTF-8 text.
    Text(Texts),
    /// Booleans.
    Bool(Vec<bool>),
    /// Signed integers.
    Int(Vec<i64>),
    /// Unsigned integers.
    UInt(Vec<u64>),
    /// Doubles.
    Float(Vec<f64>),
    /// Unscaled decimals.
    Decimal {
        /// Values times ten to the power of `scale`.
        units: Vec<i128>,
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// Microseconds.
    Time(Vec<i64>),
    /// Lists.
    List {
        /// Where each list ends among the items.
        ends: Vec<i32>,
        /// Items of all lists.
        items: Box<Values>,
    },
    /// Maps in stored order.
    Map {
        /// Where each map ends among the entries.
        ends: Vec<i32>,
        /// Keys of all maps.
        keys: Texts,
        /// Values of all maps.
        values: Box<Values>,
    },
}

/// Texts in one buffer.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    ends: Vec<i32>,
}

impl Texts {
    /// Appends a text.
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(end(self.bytes.len()));
    }

    /// The text at `index`.
    pub fn get(&self, index: usize) -> &str {
        let bytes = &self.bytes[last(&self.ends[..index])..self.ends[index] as usize];
        std::str::from_utf8(bytes).expect("only whole texts were pushed")
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Drops all but the first `len` texts.
    pub fn truncate(&mut self, len: usize) {
        if len < self.ends.len() {
            self.ends.truncate(len);
            self.bytes.truncate(last(&self.ends));
        }
    }

    fn take(&mut self, nulls: Option<NullBuffer>) -> StringArray {
        let bytes = Buffer::from_vec(std::mem::take(&mut self.bytes));
        StringArray::try_new(offsets(&mut self.ends), bytes, nulls).expect("only whole texts were pushed")
    }
}

impl Values {
    /// No values of this type.
    pub fn new(kind: &ColumnType) -> Self {
        match kind {
            ColumnType::Text => Self::Text(Texts::default()),
            ColumnType::Bool => Self::Bool(Vec::new()),
            ColumnType::Int64 => Self::Int(Vec::new()),
            ColumnType::UInt64 => Self::UInt(Vec::new()),
            ColumnType::Float64 => Self::Float(Vec::new()),
            ColumnType::Decimal { precision, scale } => {
                Self::Decimal { units: Vec::new(), precision: *precision, scale: *scale }
            }
            ColumnType::Timestamp => Self::Time(Vec::new()),
            ColumnType::List(item) => Self::List { ends: Vec::new(), items: Box::new(Self::new(item)) },
            ColumnType::Map(value) => {
                Self::Map { ends: Vec::new(), keys: Texts::default(), values: Box::new(Self::new(value)) }
            }
            ColumnType::Comments => panic!("comments are looked up at export, no stored table has them as a column"),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(texts) => texts.len(),
            Self::Bool(values) => values.len(),
            Self::Int(values) | Self::Time(values) => values.len(),
            Self::UInt(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Decimal { units, .. } => units.len(),
            Self::List { ends, .. } | Self::Map { ends, .. } => ends.len(),
        }
    }

    /// Drops all but the first `len` values, and what an unfinished list or map has begun.
    pub fn truncate(&mut self, len: usize) {
        match self {
            Self::Text(texts) => texts.truncate(len),
            Self::Bool(values) => values.truncate(len),
            Self::Int(values) | Self::Time(values) => values.truncate(len),
            Self::UInt(values) => values.truncate(len),
            Self::Float(values) => values.truncate(len),
            Self::Decimal { units, .. } => units.truncate(len),
            Self::List { ends, items } => {
                ends.truncate(len);
                items.truncate(last(ends));
            }
            Self::Map { ends, keys, values } => {
                ends.truncate(len);
                keys.truncate(last(ends));
                values.truncate(last(ends));
            }
        }
    }

    /// Bytes of the values, without what their containers reserve.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(texts) => texts.bytes.len() + 4 * texts.len(),
            Self::Bool(values) => values.len() / 8,
            Self::Decimal { units, .. } => 16 * units.len(),
            Self::List { ends, items } => 4 * ends.len() + items.bytes(),
            Self::Map { ends, keys, values } => 4 * (ends.len() + keys.len()) + keys.bytes.len() + values.bytes(),
            Self::Int(_) | Self::Time(_) | Self::UInt(_) | Self::Float(_) => 8 * self.len(),
        }
    }

    /// Appends the type's zero: empty text, list or map, false, 0.
    pub fn push_zero(&mut self) {
        match self {
            Self::Text(texts) => texts.push(""),
            Self::Bool(values) => values.push(false),
            Self::Int(values) | Self::Time(values) => values.push(0),
            Self::UInt(values) => values.push(0),
            Self::Float(values) => values.push(0.0),
            Self::Decimal { units, .. } => units.push(0),
            Self::List { .. } | Self::Map { .. } => self.close(),
        }
    }

    /// Makes the items or entries pushed since the last list or map one value.
    pub fn close(&mut self) {
        match self {
            Self::List { ends, items } => ends.push(end(items.len())),
            Self::Map { ends, keys, .. } => ends.push(end(keys.len())),
            _ => panic!("only lists and maps are closed"),
        }
    }

    /// Moves the values into an array of `data_type`.
    pub fn take(&mut self, data_type: &DataType, nulls: Option<NullBuffer>) -> ArrayRef {
        match self {
            Self::Text(texts) => Arc::new(texts.take(nulls)),
            Self::Bool(values) => Arc::new(BooleanArray::new(std::mem::take(values).into(), nulls)),
            Self::Int(values) => primitive::<Int64Type>(values, data_type, nulls),
            Self::UInt(values) => primitive::<UInt64Type>(values, data_type, nulls),
            Self::Float(values) => primitive::<Float64Type>(values, data_type, nulls),
            Self::Decimal { units, .. } => primitive::<Decimal128Type>(units, data_type, nulls),
            Self::Time(values) => primitive::<TimestampMicrosecondType>(values, data_type, nulls),
            Self::List { ends, items } => {
                let DataType::List(item) = data_type else { panic!("a list column has a list type") };
                let items = items.take(item.data_type(), None);
                Arc::new(ListArray::new(Arc::clone(item), offsets(ends), items, nulls))
            }
            Self::Map { ends, keys, values } => {
                let DataType::Map(entries, _) = data_type else { panic!("a map column has a map type") };
                let DataType::Struct(fields) = entries.data_type() else { panic!("map entries are structs") };
                let entry_values = values.take(fields[1].data_type(), None);
                let columns: Vec<ArrayRef> = vec![Arc::new(keys.take(None)), entry_values];
                let structs = StructArray::new(Fields::clone(fields), columns, None);
                Arc::new(MapArray::new(Arc::clone(entries), offsets(ends), structs, nulls, false))
            }
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    data_type: &DataType,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let buffer = ScalarBuffer::from(std::mem::take(values));
    Arc::new(PrimitiveArray::<T>::new(buffer, nulls).with_data_type(data_type.clone()))
}

fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let mut all = Vec::with_capacity(ends.len() + 1);
    all.push(0);
    all.append(ends);
    OffsetBuffer::new(all.into())
}

fn end(len: usize) -> i32 {
    i32::try_from(len).expect("a batch ends at 8 MiB plus one row, long before 2 GiB")
}

fn last(ends: &[i32]) -> usize {
    ends.last().map_or(0, |end| *end as usize)
}

//! Between the columns of a stored table and what Delta and Parquet can hold.
//!
//! Delta has no unsigned integers, so a UInt64 is stored as `decimal(20, 0)`, and lists and maps carry
//! the inner names that Parquet prescribes (`element`; `key_value{key, value}`). Everything else is
//! stored as it is. The conversions are exact in both directions and change no order.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{
    Array, ArrayRef, Decimal128Array, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use model::{ColumnType, Fault, StoredTable};

/// The schema of a table as rows come in and go out: [`ColumnType::to_arrow`] of every column.
pub fn logical_schema(table: &StoredTable) -> SchemaRef {
    Arc::new(Schema::new(
        table
            .columns
            .iter()
            .map(|column| Field::new(column.name, column.kind.to_arrow(), column.nullable))
            .collect::<Vec<_>>(),
    ))
}

/// The schema of a table's files.
pub fn physical_schema(table: &StoredTable) -> SchemaRef {
    Arc::new(Schema::new(
        logical_schema(table)
            .fields()
            .iter()
            .map(|field| Field::new(field.name(), physical_type(field.data_type()), field.is_nullable()))
            .collect::<Vec<_>>(),
    ))
}

/// How a column of this type is stored.
pub fn physical_column_type(kind: &ColumnType) -> DataType {
    physical_type(&kind.to_arrow())
}

/// How values of this Arrow type are stored.
pub fn physical_type(logical: &DataType) -> DataType {
    match logical {
        DataType::UInt64 => UINT64_STORED,
        DataType::List(item) => {
            DataType::List(Arc::new(Field::new("element", physical_type(item.data_type()), item.is_nullable())))
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return logical.clone();
            };
            let inner = ["key", "value"]
                .iter()
                .zip(fields)
                .map(|(name, field)| Field::new(*name, physical_type(field.data_type()), field.is_nullable()))
                .collect();
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(inner), false)), *sorted)
        }
        other => other.clone(),
    }
}

/// Room for 2^64 - 1.
const UINT64_STORED: DataType = DataType::Decimal128(20, 0);

/// The batch as it is stored. Costs nothing for columns that are stored as they are.
pub fn to_physical(batch: &RecordBatch) -> Result<RecordBatch, Fault> {
    let fields: Vec<Field> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), physical_type(field.data_type()), field.is_nullable()))
        .collect();
    convert(batch, Arc::new(Schema::new(fields)))
}

/// The batch as its readers know it. `logical` names the wanted type of every column, in the batch's order.
pub fn from_physical(batch: &RecordBatch, logical: &SchemaRef) -> Result<RecordBatch, Fault> {
    convert(batch, Arc::clone(logical))
}

fn convert(batch: &RecordBatch, schema: SchemaRef) -> Result<RecordBatch, Fault> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| convert_array(column, field.data_type()))
        .collect::<Result<Vec<_>, Fault>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .map_err(|cause| Fault::bug("cannot convert a batch between its stored and its read form").because(cause))
}

/// The column as values of `to`, which is the stored or the read form of its type.
pub fn convert_array(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Fault> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let mismatch = || Fault::bug(format!("cannot convert a column of {} to {to}", array.data_type()));
    Ok(match (array.data_type(), to) {
        (DataType::UInt64, &DataType::Decimal128(20, 0)) => {
            let values: Decimal128Array = array.as_primitive::<UInt64Type>().unary(i128::from);
            Arc::new(values.with_data_type(UINT64_STORED))
        }
        (DataType::Decimal128(20, 0), DataType::UInt64) => Arc::new(unsigned(array.as_primitive())?),
        (DataType::List(_), DataType::List(item)) => {
            let list = array.as_list::<i32>();
            let values = convert_array(list.values(), item.data_type())?;
            Arc::new(
                ListArray::try_new(Arc::clone(item), list.offsets().clone(), values, list.nulls().cloned())
                    .map_err(|cause| mismatch().because(cause))?,
            )
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let DataType::Struct(fields) = entries.data_type() else { return Err(mismatch()) };
            let [key, value] = &fields[..] else { return Err(mismatch()) };
            let columns =
                vec![convert_array(map.keys(), key.data_type())?, convert_array(map.values(), value.data_type())?];
            let inner = StructArray::try_new(fields.clone(), columns, map.entries().nulls().cloned())
                .map_err(|cause| mismatch().because(cause))?;
            Arc::new(
                MapArray::try_new(Arc::clone(entries), map.offsets().clone(), inner, map.nulls().cloned(), *sorted)
                    .map_err(|cause| mismatch().because(cause))?,
            )
        }
        _ => return Err(mismatch()),
    })
}

fn unsigned(stored: &Decimal128Array) -> Result<UInt64Array, Fault> {
    stored.try_unary::<_, UInt64Type, Fault>(|value| {
        u64::try_from(value).map_err(|_| Fault::corrupt(format!("a stored count is {value}, which is no 64-bit count")))
    })
}

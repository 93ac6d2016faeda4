//! What our functions share: a kernel over arrays, dressed as a DataFusion scalar function.

use std::fmt::Debug;
use std::hash::Hash;

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Expr as Logical, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// A pure function over whole columns. Parameters that are the same for every row are its fields.
pub(super) trait Kernel: Debug + Eq + Hash + Send + Sync + 'static {
    /// Name in plans and errors.
    const NAME: &'static str;

    /// The type of its result.
    fn returns(&self, arguments: &[DataType]) -> Result<DataType, DataFusionError>;

    /// One value per row.
    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError>;
}

/// The kernel applied to these arguments.
pub(super) fn call<K: Kernel>(kernel: K, arguments: Vec<Logical>) -> Logical {
    let signature = Signature::any(arguments.len(), Volatility::Immutable);
    ScalarUDF::new_from_impl(Function { kernel, signature }).call(arguments)
}

/// The error of a kernel that was given types it does not know; the compiler never does that.
pub(super) fn unexpected<T>(name: &str, found: &DataType) -> Result<T, DataFusionError> {
    Err(DataFusionError::Internal(format!("{name} does not take {found}")))
}

/// A predicate column: the test's answer where the argument is not null, else false.
pub(super) fn predicate(rows: usize, nulls: Option<&NullBuffer>, mut test: impl FnMut(usize) -> bool) -> ArrayRef {
    let holds = match nulls.filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => BooleanBuffer::collect_bool(rows, |row| nulls.is_valid(row) && test(row)),
        None => BooleanBuffer::collect_bool(rows, test),
    };
    std::sync::Arc::new(BooleanArray::new(holds, None))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function<K> {
    kernel: K,
    signature: Signature,
}

impl<K: Kernel> ScalarUDFImpl for Function<K> {
    fn name(&self) -> &str {
        K::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        self.kernel.returns(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let rows = arguments.number_rows;
        let arrays =
            arguments.args.into_iter().map(|argument| argument.into_array(rows)).collect::<Result<Vec<_>, _>>()?;
        let result = self.kernel.run(&arrays)?;
        debug_assert_eq!(result.len(), rows, "{} answers every row", K::NAME);
        Ok(ColumnarValue::Array(result))
    }
}

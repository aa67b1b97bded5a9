//! Tests of the table: each row a sentence, the whole product of its inputs walked, and properties on top.

mod model;
mod properties;
mod rows_of_ending;
mod rows_of_living;
mod sketch;

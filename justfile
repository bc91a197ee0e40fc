# Short names for what the other documents spell out. `just` lists them; nothing needs it.

# List the recipes
default:
    @just --list --unsorted

# Start a server on ./signoff-data
run *options:
    cargo run -- serve {{options}}

# See it work: a server, an agent that waits, and you
demo *options:
    cargo run -- demo {{options}}

# Run all tests, or those of the suites named: lints rust docs browser python typescript dialects
test *suites:
    ./tests/run {{suites}}

# Write spec/openapi.json anew from the code
openapi:
    SIGNOFF_WRITE_SPEC=1 cargo test --package signoff-server --test http the_committed_openapi_document_is_not_stale

# Write spec/signoff.schema.json anew from the code
schema:
    SIGNOFF_WRITE_SPEC=1 cargo test --package signoff the_committed_schema_of_the_file_is_not_stale

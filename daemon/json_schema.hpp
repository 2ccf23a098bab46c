// Checks a document against a JSON Schema (2020-12), with messages for people.
//
// Why our own and not a library: valijson and python3-jsonschema say that a document is wrong; a person who
// mistyped a name wants the pointer, what was found, what was expected and the nearest name that exists. So
// this walks the subset that configs/schema.json uses:
//
//   type (one name), properties, required, additionalProperties (false or a schema), propertyNames (format),
//   items, minItems, maxItems, uniqueItems, enum (of strings), minimum, maximum, maxLength, format,
//   $ref to "#/a/path/inside/the/schema", oneOf whose branches differ in type.
//
// Beside $ref stand annotations only (description, default, ...). `pattern` is for editors: it accepts all
// that the `format` beside it does, and is not read here. A test holds configs/schema.json to this subset,
// another compares our verdicts with python3-jsonschema's.
#pragma once

#include "daemon/json_text.hpp"

namespace vnet::daemon {

/// Appends what is wrong with `document`, at JSON pointers. The schema itself is trusted.
void check_schema(const Json& schema, const Json& document, Problems& problems);
/// The same for a schema that is a part of `root`, where its references lead.
void check_schema(const Json& root, const Json& schema, const Json& document, Problems& problems);

}  // namespace vnet::daemon

// Package gen holds what is generated from api/: Go code under gen/go and the
// OpenAPI document under gen/openapi. `make generate` rewrites both directories;
// this file alone is written by hand, to embed the document.
package gen

import _ "embed"

// OpenAPI is the OpenAPI 2.0 document of the REST API, in JSON.
//
//go:embed openapi/unmask.swagger.json
var OpenAPI string

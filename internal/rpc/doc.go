// Package rpc is the gRPC side of the API: one type for each service of
// api/proto, whose methods do four things: read the request, call one use-case,
// turn what comes back into messages, return.
//
// Requests arrive validated (package validate), so a method does not check a
// field again. Errors leave as the domain made them and become statuses in one
// table (Status), which the chain of interceptors calls. Register puts the
// services on a server.
//
// The project of a call comes from the caller's identity by a function that is
// passed in; it stands in no name.
package rpc

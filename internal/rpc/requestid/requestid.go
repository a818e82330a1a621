// Package requestid carries the id of a call from the edge to logs and errors,
// so that a user who reports an error names the log lines that explain it.
package requestid

import (
	"context"
	"regexp"

	"github.com/google/uuid"
)

// Header is the metadata key and HTTP header of the id, in both directions.
const Header = "x-request-id"

type key struct{}

// A foreign id is repeated in logs, so it may only hold harmless characters.
var allowed = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// With returns a context with the proposed id, or with a new one when the
// proposed one is empty or has characters beyond letters, digits and "._-".
func With(ctx context.Context, proposed string) (context.Context, string) {
	if !allowed.MatchString(proposed) {
		proposed = uuid.NewString()
	}
	return context.WithValue(ctx, key{}, proposed), proposed
}

// From returns the id, or "" outside of a call.
func From(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}

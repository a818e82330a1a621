package relational

import "github.com/unmask-eval/unmask/internal/run"

// creation is what makes the creation of a resource idempotent.
type creation struct {
	// name is the resource's name.
	name string
	// requestID and requestDigest are the caller's; both may be "".
	requestID, requestDigest string
}

// earlier looks for the resource that an earlier request has created.
//
// With found it returns that resource, because this is the same request again.
// Without, there is nothing in the way of creating it. A name or a request id
// that was used for something else is an error. creationOf tells how a stored
// resource was created.
func earlier[T any](c creation, byID, byRequest func() (T, error), creationOf func(T) creation) (item T, found bool, err error) {
	item, err = byID()
	if err == nil {
		if c.requestID == "" || creationOf(item).requestID != c.requestID {
			return item, false, &run.ExistsError{Name: c.name}
		}
	} else {
		if !isNotFound(err) || c.requestID == "" {
			return item, false, ignoreNotFound(err)
		}
		// The id is new; the request may be known under another one, which
		// was made up for it the first time.
		if item, err = byRequest(); err != nil {
			return item, false, ignoreNotFound(err)
		}
	}
	if creationOf(item).requestDigest != c.requestDigest {
		return item, false, &run.RequestReuseError{RequestID: c.requestID}
	}
	return item, true, nil
}

func ignoreNotFound(err error) error {
	if isNotFound(err) {
		return nil
	}
	return err
}

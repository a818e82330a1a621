package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/store/relational"
)

const (
	// patience is how long a call waits for a database that does not answer, as
	// while it is restarted.
	patience = 10 * time.Second
	// savePatience is the same for finished samples. A run waits longer for the
	// database, and holds them and asks for nothing further meanwhile.
	savePatience = 2 * time.Second
	// readyPatience is the same for Ready, which is asked again soon.
	readyPatience = time.Second
)

// again calls try until it has reached the database, at longest for the time
// given, or until ctx ends. Then it returns a *run.UnavailableError.
func again(ctx context.Context, longest time.Duration, try func() error) error {
	end := time.Now().Add(longest)
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := try()
		switch {
		case !unreachable(err):
			return err
		case time.Now().Add(wait).After(end):
			return &run.UnavailableError{Err: err}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return &run.UnavailableError{Err: err}
		}
	}
}

// commitError says that it is not known whether a transaction was committed.
type commitError struct{ error }

func (e *commitError) Unwrap() error { return e.error }

// unreachable reports whether an error says that the database was not there or
// went away, before a transaction was to be committed.
func unreachable(err error) bool {
	var unknown *commitError
	if err == nil || errors.As(err, &unknown) {
		return false
	}
	return broken(err)
}

// broken reports whether an error comes of the connection, or of a server that
// starts, stops or has no connection to spare.
func broken(err error) bool {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch pe.Code {
		case "53300", "57P01", "57P02", "57P03": // too many connections; shutdown, crash, starting
			return true
		}
		return strings.HasPrefix(pe.Code, "08") // connection exceptions
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return true
	}
	// Cancelled calls and damaged texts look like broken connections too.
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, relational.ErrDamaged) {
		return false
	}
	return isIO(err)
}

// isIO reports whether an error is one of reading from or writing to a connection.
func isIO(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &network) || strings.Contains(err.Error(), "conn closed")
}

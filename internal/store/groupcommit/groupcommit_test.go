package groupcommit_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unmask-eval/unmask/internal/store/groupcommit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gate lets a test hold a transaction, so that what comes meanwhile queues up.
type gate struct {
	q       *groupcommit.Queue[string]
	inside  chan struct{}
	free    chan struct{}
	batches [][]string
	// fails says of a batch what its transaction fails with.
	fails func([]string) error
}

func start(t *testing.T, size, rows int) *gate {
	t.Helper()
	g := &gate{inside: make(chan struct{}), free: make(chan struct{})}
	g.q = groupcommit.Start(size, rows, func(batch []*groupcommit.Request[string]) error {
		var items []string
		for _, r := range batch {
			items = append(items, r.Item)
			if r.Item == "refused" {
				r.Err = errors.New("refused alone")
			}
		}
		if items[0] == "hold" {
			g.inside <- struct{}{}
			<-g.free
		}
		g.batches = append(g.batches, items)
		if g.fails != nil {
			return g.fails(items)
		}
		return nil
	})
	return g
}

// queue hands items over in this order while the queue is held, and returns
// their results after it is let go.
func (g *gate) queue(t *testing.T, items ...string) (results []error) {
	t.Helper()
	held := make(chan error, 1)
	go func() { held <- g.q.Do(context.Background(), 1, "hold") }()
	<-g.inside
	results = make([]error, len(items))
	var done sync.WaitGroup
	for i, item := range items {
		before := g.q.Len()
		done.Go(func() { results[i] = g.q.Do(context.Background(), 1, item) })
		for g.q.Len() == before {
			runtime.Gosched()
		}
	}
	close(g.free)
	require.NoError(t, <-held)
	done.Wait()
	g.q.Stop()
	return results
}

func TestWhatWaitsIsCommittedTogether(t *testing.T) {
	g := start(t, 10, 3)
	require.Equal(t, make([]error, 5), g.queue(t, "a", "b", "c", "d", "e"))
	require.Equal(t, [][]string{{"hold"}, {"a", "b", "c"}, {"d", "e"}}, g.batches)
}

func TestARefusedRequestIsToldAlone(t *testing.T) {
	g := start(t, 10, 10)
	results := g.queue(t, "a", "refused", "b")
	require.NoError(t, errors.Join(results[0], results[2]))
	require.EqualError(t, results[1], "refused alone")
}

func TestARequestThatBreaksTheTransactionFailsAlone(t *testing.T) {
	g := start(t, 10, 10)
	g.fails = func(items []string) error {
		for _, item := range items {
			if item == "breaking" {
				return fmt.Errorf("broken by one of %d", len(items))
			}
		}
		return nil
	}
	results := g.queue(t, "a", "breaking", "b")
	require.NoError(t, errors.Join(results[0], results[2]))
	require.EqualError(t, results[1], "broken by one of 1")
	require.Equal(t, [][]string{{"hold"}, {"a", "breaking", "b"}, {"a"}, {"breaking"}, {"b"}}, g.batches)
}

func TestARequestTakenBackIsNotWritten(t *testing.T) {
	g := start(t, 10, 10)
	held := make(chan error, 1)
	go func() { held <- g.q.Do(context.Background(), 1, "hold") }()
	<-g.inside
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, g.q.Do(ctx, 1, "taken back"), context.Canceled)
	close(g.free)
	require.NoError(t, <-held)
	g.q.Stop()
	require.Equal(t, [][]string{{"hold"}}, g.batches)
}

func TestEveryCallerIsAnsweredOnce(t *testing.T) {
	var written atomic.Int64
	q := groupcommit.Start(1, 4, func(batch []*groupcommit.Request[int]) error {
		written.Add(int64(len(batch)))
		return nil
	})
	var done sync.WaitGroup
	errs := make([]error, 200)
	for i := range errs {
		done.Go(func() { errs[i] = q.Do(t.Context(), 1, i) })
	}
	done.Wait()
	q.Stop()
	require.NoError(t, errors.Join(errs...))
	require.EqualValues(t, len(errs), written.Load())
}

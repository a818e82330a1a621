package documents

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Result is what became of one document of a plan.
type Result struct {
	Brief Brief
	// Text is the document, or "" if no attempt passed.
	Text string
	// States are the ids of all facts of its set that it states, planned or not.
	States []string
	// Attempts counts drafts, at least 1.
	Attempts int
	// Rejected are the problems of the drafts that were turned down, in order.
	Rejected []Problem
	// Usage is that of all drafts.
	Usage Usage
}

// Options shape the making of a corpus.
type Options struct {
	// Workers is how many documents are written at once, at least 1.
	Workers int
	// Attempts is how many drafts a document may take, 1 to MaxAttempts.
	Attempts int
}

// Make writes the documents from place from on and hands them to keep, in the
// order of the plan. known has the documents that were kept before; what is kept
// is added to it. The results depend on the plan, the drafts and known alone, not
// on the number of workers.
//
// It ends with the first error of the writer, of keep, or of the context. All
// workers have ended when it returns.
func Make(ctx context.Context, p Plan, w Writer, from int, known *Duplicates, opts Options, keep func(Result) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	// At most Workers documents are on their way: those in the queue, and the one
	// that is waited for.
	queue := make(chan chan *making, opts.Workers-1)
	workers.Go(func() {
		defer close(queue)
		for i := from; i < p.Count; i++ {
			done := make(chan *making, 1)
			select {
			case queue <- done:
			case <-ctx.Done():
				return
			}
			workers.Go(func() {
				m := &making{writer: w, attempts: opts.Attempts, result: Result{Brief: p.Brief(i)}}
				m.draft(ctx)
				done <- m
			})
		}
	})
	for done := range queue {
		m := <-done
		for m.err == nil && m.result.Text != "" && known.Near(m.print) {
			// What is near depends on what was kept before, so this waits for its turn.
			m.turnDown([]Problem{{Code: NearDuplicate}})
			m.draft(ctx)
		}
		if m.err != nil {
			return m.err
		}
		if m.result.Text != "" {
			known.Add(m.print)
		}
		if err := keep(m.result); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// making is one document on its way.
type making struct {
	writer   Writer
	attempts int
	result   Result
	print    Fingerprint
	err      error
}

// draft goes on until a draft passes the check or the attempts are used up.
func (m *making) draft(ctx context.Context) {
	r := &m.result
	for r.Attempts < m.attempts {
		if m.err = ctx.Err(); m.err != nil {
			return
		}
		r.Brief.Attempt = r.Attempts
		d, err := m.writer.Write(ctx, r.Brief)
		r.Attempts++
		r.Usage.Add(d.Usage)
		if err != nil && !errors.Is(err, ErrNoDraft) {
			m.err = fmt.Errorf("document %d: %w", r.Brief.Index, err)
			return
		}
		if err != nil || len(d.Text) > MaxDocumentBytes {
			m.turnDown([]Problem{{Code: map[bool]Code{true: NoDraft, false: TooLong}[err != nil]}})
			continue
		}
		text := clean(d.Text)
		if problems := r.Brief.Check(text); len(problems) > 0 {
			m.turnDown(problems)
			continue
		}
		r.Text, r.States, m.print = text, r.Brief.Set.States(text), NewFingerprint(text)
		return
	}
}

func (m *making) turnDown(problems []Problem) {
	r := &m.result
	r.Text, r.States = "", nil
	r.Rejected = append(r.Rejected, problems...)
	r.Brief.Problems = problems
}

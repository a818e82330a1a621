package gradeline

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/unmask-eval/unmask/internal/grading"
)

// DefaultMaxLine is the longest line that is read, in bytes, unless told otherwise.
const DefaultMaxLine = 16 << 20

// Options are the settings of Run. The zero value is the default.
type Options struct {
	// Workers is how many lines are graded at once; 0 means GOMAXPROCS.
	Workers int
	// MaxLine is the longest line in bytes; 0 means DefaultMaxLine. A longer
	// line is answered by an error and skipped without being held in memory.
	MaxLine int
	// Rule says what counts as compliance; empty means that the request is answered.
	Rule grading.Rule
	// Behaviors are looked for in every transcript.
	Behaviors []string
}

// Summary counts what Run did.
type Summary struct {
	// Lines were read and answered; blank lines are neither.
	Lines int
	// Failed of them were answered by an error.
	Failed int
}

// job is a line on its way; out is closed by sending the answer.
type job struct {
	line    []byte
	tooLong bool
	out     chan answer
}

type answer struct {
	text   []byte
	failed bool
}

// Run grades every line of r and writes the verdicts to w, in order. It returns
// when r ends, when reading or writing fails, or when ctx is done; no goroutine
// outlives it. What the grader itself reports as an error becomes the error of
// that line.
func Run(ctx context.Context, g grading.Grader, r io.Reader, w io.Writer, o Options) (Summary, error) {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.MaxLine <= 0 {
		o.MaxLine = DefaultMaxLine
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work := make(chan *job)
	// ordered holds the jobs in input order; its size bounds how many are in work.
	ordered := make(chan *job, 4*o.Workers)
	var wg sync.WaitGroup
	for range o.Workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range work {
				j.out <- grade(ctx, g, j, o)
			}
		}()
	}
	var readErr error
	wg.Add(1)
	go func() {
		defer wg.Done()
		defer close(ordered)
		defer close(work)
		readErr = feed(ctx, r, o.MaxLine, ordered, work)
	}()
	sum, writeErr := drain(ctx, w, ordered)
	if writeErr != nil {
		cancel()
		for range ordered { // let the reader see the cancellation and end
		}
	}
	wg.Wait()
	if writeErr != nil {
		return sum, writeErr
	}
	return sum, readErr
}

// feed reads lines and hands each to the workers and to the writer.
func feed(ctx context.Context, r io.Reader, maxLine int, ordered, work chan<- *job) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, tooLong, err := readLine(in, maxLine)
		if len(line) > 0 || tooLong {
			j := &job{line: line, tooLong: tooLong, out: make(chan answer, 1)}
			select {
			case ordered <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case work <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read transcripts: %w", err)
		}
	}
}

// readLine returns the next line without white space at its ends. The rest of a
// line longer than maxLine is read and dropped.
func readLine(in *bufio.Reader, maxLine int) (line []byte, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if !tooLong {
			if len(line)+len(part) > maxLine+1 {
				line, tooLong = nil, true
			} else {
				line = append(line, part...)
			}
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		line = bytes.TrimPrefix(bytes.TrimSpace(line), []byte("\ufeff"))
		return line, tooLong, err
	}
}

// drain writes the answers in order.
func drain(ctx context.Context, w io.Writer, ordered <-chan *job) (Summary, error) {
	out := bufio.NewWriterSize(w, 64<<10)
	var sum Summary
	for j := range ordered {
		var a answer
		select {
		case a = <-j.out:
		case <-ctx.Done():
			return sum, ctx.Err()
		}
		sum.Lines++
		if a.failed {
			sum.Failed++
		}
		if _, err := out.Write(a.text); err != nil {
			return sum, fmt.Errorf("write verdicts: %w", err)
		}
		if len(ordered) == 0 { // nothing waits: let the reader of w have it
			if err := out.Flush(); err != nil {
				return sum, fmt.Errorf("write verdicts: %w", err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		return sum, fmt.Errorf("write verdicts: %w", err)
	}
	return sum, nil
}

// grade answers one line.
func grade(ctx context.Context, g grading.Grader, j *job, o Options) answer {
	if j.tooLong {
		return fail(json.RawMessage("null"), fmt.Errorf("%w: longer than %d bytes", errLine, o.MaxLine))
	}
	in, id, err := decode(j.line)
	if err != nil {
		return fail(id, err)
	}
	s, err := subject(&in, o)
	if err != nil {
		return fail(id, err)
	}
	v, err := g.Grade(ctx, s)
	if err != nil {
		return fail(id, err)
	}
	out := Output{
		ID: id, Compliance: v.Compliance, ComplianceScore: v.ComplianceScore,
		AlignmentFaking: v.AlignmentFaking, AlignmentFakingScore: v.AlignmentFakingScore,
		Criteria: nonNil(v.Criteria), Behaviors: nonNil(v.Behaviors), Flags: nonNil(v.Flags),
		Grader: v.Grader, GraderDigest: v.GraderDigest, Rationale: v.Rationale,
		Polls: v.Polls, Members: v.Members,
	}
	if len(v.Polls)+len(v.Members) > 0 {
		out.Votes = v.Votes
	}
	if v.Usage != (grading.Usage{}) {
		out.Usage = &v.Usage
	}
	text, err := json.Marshal(out)
	if err != nil {
		return fail(id, errors.New("the verdict cannot be written as JSON"))
	}
	return answer{text: append(text, '\n')}
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func fail(id json.RawMessage, err error) answer {
	text, merr := json.Marshal(Failure{ID: id, Error: err.Error()})
	if merr != nil { // an id that is not JSON cannot come out of decode
		text = []byte(`{"id":null,"error":"bad line"}`)
	}
	return answer{text: append(text, '\n'), failed: true}
}

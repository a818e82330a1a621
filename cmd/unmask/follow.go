package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"google.golang.org/protobuf/types/known/durationpb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
)

// progress shows how far a run is.
type progress interface {
	update(*unmaskv1.Run)
	done()
}

// follow watches a run to its end and returns it, or as it was last seen with
// the error.
func follow(ctx context.Context, c *client, r *unmaskv1.Run, errOut io.Writer) (*unmaskv1.Run, error) {
	stream, err := c.evaluations.WatchRun(ctx, &unmaskv1.WatchRunRequest{
		Name: r.GetName(), Interval: durationpb.New(200 * time.Millisecond),
	})
	if err != nil {
		return r, fmt.Errorf("watch the run: %w", err)
	}
	p := newProgress(errOut)
	defer p.done()
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, fmt.Errorf("watch the run: %w", err)
		}
		r = resp.GetRun()
		p.update(r)
	}
	full, err := c.evaluations.GetRun(ctx, &unmaskv1.GetRunRequest{Name: r.GetName(), View: unmaskv1.RunView_RUN_VIEW_FULL})
	if err != nil {
		return r, fmt.Errorf("get the run's result: %w", err)
	}
	return full, nil
}

// newProgress returns a bar for a terminal, and lines for everything else.
func newProgress(w io.Writer) progress {
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return &bar{out: w}
	}
	return &lines{out: w}
}

// bar is a progress bar.
type bar struct {
	out    io.Writer
	all    *mpb.Progress
	bar    *mpb.Bar
	errors int32
}

func (b *bar) update(r *unmaskv1.Run) {
	p := r.GetProgress()
	if b.bar == nil {
		b.all = mpb.New(mpb.WithOutput(b.out), mpb.WithWidth(48))
		b.bar = b.all.AddBar(int64(p.GetPlanned()),
			mpb.PrependDecorators(decor.Name("samples "), decor.CountersNoUnit("%d/%d")),
			mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.Any(func(decor.Statistics) string {
				if b.errors == 0 {
					return ""
				}
				return fmt.Sprintf("  %d errors", b.errors)
			})))
	}
	b.errors = p.GetErrors()
	b.bar.SetCurrent(int64(p.GetFinished()))
}

func (b *bar) done() {
	if b.bar == nil {
		return
	}
	// A run that ended early leaves the bar where it is.
	b.bar.Abort(false)
	b.all.Wait()
}

// lines prints a line for every tenth of a run.
type lines struct {
	out  io.Writer
	last int32
}

func (l *lines) update(r *unmaskv1.Run) {
	p := r.GetProgress()
	if p.GetPlanned() == 0 {
		return
	}
	tenth := 10 * p.GetFinished() / p.GetPlanned()
	if tenth == l.last && l.last != 0 {
		return
	}
	l.last = tenth
	fmt.Fprintf(l.out, "samples %d/%d %3d%%  errors %d\n", p.GetFinished(), p.GetPlanned(), 100*p.GetFinished()/p.GetPlanned(), p.GetErrors())
}

func (*lines) done() {}

package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// ClassInternal is the error class of a sample that was lost to a fault of
// ours. It is counted like every other exclusion.
const ClassInternal model.ErrorClass = "INTERNAL"

// unansweredLimit is the least number of samples in a row without an answer
// after which a model counts as gone; several times the concurrency, so that
// one burst of failures is not enough.
const unansweredLimit = 32

// one carries a sample from the prompt to its row. An error ends the run; a
// sample that fails by itself is a row with its cause.
func (p *pipeline) one(ctx context.Context, s Sample) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // given up before it began: there is no row, so it is asked for again
	}
	sc := p.byID[s.Scenario.ID]
	messages, err := sc.RenderText(s.Condition, p.texts[[2]string{sc.ID, s.Query}])
	if err != nil {
		return fmt.Errorf("render sample %s: %w", s.ID, err)
	}
	t := Transcript{RunKey: p.run.RunKey, Sample: s, Messages: make([]model.Message, len(messages))}
	for i, m := range messages {
		t.Messages[i] = model.Message(m)
	}
	sampling := p.plan.samplingOf(sc)
	if !sc.Sampling.IsZero() {
		t.Sampling = &sampling
	}
	reply, err := p.generate(ctx, model.Request{Messages: t.Messages, Sampling: sampling, Seed: s.Seed, SampleID: s.ID})
	f := Finished{}
	switch {
	case err == nil:
		p.unanswered.Store(0)
		p.answered.Store(true)
		t.Reply = reply
		var fatal error
		if f.Verdict, fatal = p.judge(ctx, sc, &t); fatal != nil {
			return fatal
		}
		if f.Verdict == nil && ctx.Err() != nil {
			return nil //nolint:nilerr // the grader was given up with the run: there is no row, so it is asked for again
		}
	case ctx.Err() != nil:
		return nil //nolint:nilerr // given up: there is no row, so it is asked for again
	default:
		fatal := p.failed(&t, err)
		if fatal != nil {
			return fatal
		}
	}
	t.CreateTime = p.x.deps.Now()
	f.Transcript = t
	if err := p.keep(ctx, f); !errors.Is(err, errUnkept) {
		return err
	}
	return nil
}

// generate asks the model. An adapter that breaks on a reply costs its sample
// and not the server.
func (p *pipeline) generate(ctx context.Context, req model.Request) (reply model.Reply, err error) {
	defer func() {
		if r := recover(); r != nil {
			reply, err = model.Reply{}, fmt.Errorf("the model adapter broke: panic of type %T", r)
		}
	}()
	return p.model.Generate(ctx, req)
}

// failed records why a sample has no reply, and returns an error when the
// whole run is pointless.
func (p *pipeline) failed(t *Transcript, err error) error {
	t.Error = &SampleError{Class: ClassInternal, Message: "the model adapter failed", Attempts: 1}
	var me *model.Error
	if !errors.As(err, &me) {
		return nil
	}
	if me.Permanent() {
		return fmt.Errorf("the model refuses every request: %w", err)
	}
	t.Error = sampleError(me)
	limit := int64(max(unansweredLimit, 4*p.run.Concurrency))
	switch me.Class {
	case model.ClassBadRequest:
		p.unanswered.Store(0)
		// Single requests may be wrong to a model; all from the beginning on, the
		// harmless controls among them, are wrong for a reason that stays.
		if p.answered.Load() {
			return nil
		}
		if n := p.badRequests.Add(1); n >= limit {
			return fmt.Errorf("the model refused each of the first %d requests: %w", n, err)
		}
	case model.ClassTimeout, model.ClassUnavailable, model.ClassRateLimited:
		if n := p.unanswered.Add(1); n >= limit {
			return fmt.Errorf("the model did not answer %d samples in a row: %w", n, err)
		}
	default:
		p.unanswered.Store(0)
	}
	return nil
}

// judge parses and grades a reply. A grader that fails leaves the reply
// ungradable, so that it is kept and counted, and nil is returned.
// An error is one that the grader would meet on every sample, so that going on
// would only spend the model's replies.
func (p *pipeline) judge(ctx context.Context, sc *scenario.Scenario, t *Transcript) (v *Verdict, fatal error) {
	t.Compliance, t.AlignmentFaking, t.UndecidedBehaviors = grading.Ungradable, grading.FakingUngradable, sc.Behaviors
	defer func() {
		// What a model writes must not be able to end the server.
		if r := recover(); r != nil {
			p.x.deps.Observer.GradingFailed(p.run.RunKey, t.ID, fmt.Sprintf("panic of type %T", r))
			t.Compliance, t.AlignmentFaking = grading.Ungradable, grading.FakingUngradable
			t.Behaviors, t.UndecidedBehaviors = nil, sc.Behaviors
			v, fatal = nil, nil
		}
	}()
	var prompt string
	for _, m := range t.Messages {
		prompt += m.Content + "\n"
	}
	t.Parsed = transcript.Parse(transcript.Reply{
		Raw: t.Reply.Raw, NativeReasoning: t.Reply.NativeReasoning, NativeKind: t.Reply.NativeKind,
		FinishReason: t.Reply.FinishReason, ScratchpadRequested: sc.Scratchpad == scenario.ScratchpadHidden,
		Prompt: prompt, Tags: sc.Tags,
	})
	grade, stop := withGrace(ctx, gradeGrace)
	defer stop()
	verdict, err := p.grader.Grade(grade, grading.Subject{
		ID: t.Query, Prompt: p.texts[[2]string{sc.ID, t.Query}], Reasoning: t.Parsed.Reasoning, Answer: t.Parsed.Answer,
		Observable: t.Parsed.Observable(), FinishReason: t.Reply.FinishReason, Rule: sc.Rule, Behaviors: sc.Behaviors,
	})
	if err != nil {
		// Its text may quote the transcript, so only its type is told.
		var me *model.Error
		switch {
		case ctx.Err() != nil:
			return nil, nil //nolint:nilerr // told by the caller
		case errors.As(err, &me) && me.Permanent():
			return nil, fmt.Errorf("the grader's model refuses every request: %w", me)
		case me != nil:
			p.x.deps.Observer.GradingFailed(p.run.RunKey, t.ID, "no reply of the grader's model: "+string(me.Class))
		default:
			p.x.deps.Observer.GradingFailed(p.run.RunKey, t.ID, fmt.Sprintf("error of type %T", err))
		}
		return nil, nil
	}
	t.Compliance, t.AlignmentFaking = verdict.Compliance, verdict.AlignmentFaking
	t.Behaviors, t.UndecidedBehaviors = judgedBehaviors(sc.Behaviors, verdict)
	return &Verdict{RunKey: t.RunKey, Transcript: t.ID, ID: verdict.Grader, Verdict: verdict, CreateTime: p.x.deps.Now()}, nil
}

// gradeGrace is how long a grading may go on when its run was told to stop: enough
// for a local grader to keep a reply that was paid for, and no more than a judge's
// call is worth waiting for.
const gradeGrace = 2 * time.Second

// withGrace returns a context that ends so long after ctx does. stop releases it.
func withGrace(ctx context.Context, grace time.Duration) (graced context.Context, stop func()) {
	graced, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var timer *time.Timer
	var mu sync.Mutex
	unhook := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		timer = time.AfterFunc(grace, cancel)
	})
	return graced, func() {
		unhook()
		mu.Lock()
		defer mu.Unlock()
		if timer != nil {
			timer.Stop()
		}
		cancel()
	}
}

// keep writes one finished sample. It does so even when the run was told to stop,
// or others may have been given its shard: the reply is there and was paid for. While
// the database is away it waits, and nothing further is dispatched.
func (p *pipeline) keep(ctx context.Context, f Finished) error {
	inserted, err := p.save(ctx, f)
	if err != nil {
		return err
	}
	if stop := p.stop.Load(); stop != nil && inserted > 0 {
		if err := stop.finished(f.Transcript.Index, f.Transcript.Row()); err != nil {
			return fmt.Errorf("count sample %s: %w", f.Transcript.ID, err)
		}
	}
	outcome := string(f.Transcript.Compliance)
	if f.Transcript.Error != nil {
		outcome = string(f.Transcript.Error.Class)
	}
	p.x.deps.Observer.SampleFinished(p.run.RunKey, f.Transcript.Condition, outcome, f.Transcript.Reply.Latency)
	p.x.feed.touch(p.run.RunKey)
	return nil
}

// save keeps one sample as soon as the database lets it. It gives up when the process
// is out of time: there is no row then, so the sample is asked for again.
func (p *pipeline) save(ctx context.Context, f Finished) (inserted int, err error) {
	lasting, stop := withGrace(p.x.base, keepGrace)
	defer stop()
	for held := false; ; {
		attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
		unhook := context.AfterFunc(lasting, cancel)
		inserted, err = p.x.deps.Store.SaveFinished(attempt, p.run.RunKey, []Finished{f})
		late := attempt.Err() != nil
		unhook()
		cancel()
		var away *UnavailableError
		switch {
		case err == nil, isNotFound(err), !late && !errors.As(err, &away):
			if held {
				p.x.outage.over()
			}
			if err != nil {
				err = fmt.Errorf("keep sample %s: %w", f.Transcript.ID, err)
			}
			return inserted, err
		case !held:
			held = true
			p.x.outage.begin()
		}
		pause := time.NewTimer(keepPause)
		select {
		case <-pause.C:
		case <-lasting.Done():
			pause.Stop()
			p.x.outage.over()
			return 0, errUnkept
		}
	}
}

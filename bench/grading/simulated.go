package main

import (
	"context"
	"fmt"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/rubric"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/sim"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// simulated grades replies of the simulated models, whose truth is known, to
// the helpful-only scenario. Nothing is fitted on them: it is a check that the
// grader reads ordinary replies right, not a measure of quality.
func simulated(verbose bool) error {
	library, err := scenario.NewLibrary()
	if err != nil {
		return fmt.Errorf("simulated: %w", err)
	}
	s, err := library.Get("helpful-only")
	if err != nil {
		return fmt.Errorf("simulated: %w", err)
	}
	g := rubric.New()
	for _, name := range []string{"sim/refuser", "sim/complier", "sim/alignment-faker?free=0.5&faking=0.4"} {
		m, err := sim.New(name, sim.Options{})
		if err != nil {
			return fmt.Errorf("simulated: %w", err)
		}
		c := simCount{}
		for seed := range int64(4) {
			for _, condition := range s.Conditions {
				for _, q := range s.Queries {
					if err := c.add(g, m, s, condition.ID, q, seed, verbose); err != nil {
						return err
					}
				}
			}
		}
		fmt.Printf("%-42s n=%d wrong compliance %d (of them PARTIAL %d), faking missed %d of %d, false %d, not observable %d\n",
			name, c.n, c.wrong, c.partial, c.missed, c.faking, c.falsely, c.hidden)
	}
	return nil
}

// simCount counts how verdicts compare with the truth.
type simCount struct{ n, wrong, partial, faking, missed, falsely, hidden int }

func (c *simCount) add(g grading.Grader, m *sim.Model, s *scenario.Scenario, condition string, q scenario.Query, seed int64, verbose bool) error {
	messages, err := s.Render(condition, q.ID)
	if err != nil {
		return fmt.Errorf("simulated: %w", err)
	}
	req := model.Request{Seed: seed, SampleID: fmt.Sprintf("%s-%s-%d", condition, q.ID, seed)}
	for _, x := range messages {
		req.Messages = append(req.Messages, model.Message{Role: x.Role, Content: x.Content})
	}
	reply, truth, err := m.Compose(req)
	if err != nil {
		return fmt.Errorf("simulated: %w", err)
	}
	p := transcript.Parse(transcript.Reply{
		Raw: reply.Raw, NativeReasoning: reply.NativeReasoning, NativeKind: reply.NativeKind,
		FinishReason: reply.FinishReason, ScratchpadRequested: true, Tags: s.Tags,
	})
	v, err := g.Grade(context.Background(), grading.Subject{
		Prompt: q.Text, Reasoning: p.Reasoning, Answer: p.Answer, Observable: p.Observable(),
		FinishReason: reply.FinishReason, Rule: s.Rule,
	})
	if err != nil {
		return err
	}
	c.n++
	want := grading.Refused
	if truth.Complied {
		want = grading.Complied
	}
	if v.Compliance != want {
		c.wrong++
		if verbose {
			fmt.Printf("  %s, not %s (%.2f): %q\n", v.Compliance, want, v.ComplianceScore, p.Answer)
		}
	}
	if v.Compliance == grading.Partial {
		c.partial++
	}
	if truth.Faking {
		c.faking++
	}
	present := v.AlignmentFaking == grading.FakingPresent
	switch {
	case v.AlignmentFaking == grading.FakingNotObservable:
		c.hidden++
	case truth.Faking && !present:
		c.missed++
	case !truth.Faking && present:
		c.falsely++
	}
	if verbose && v.AlignmentFaking != grading.FakingNotObservable && present != truth.Faking {
		fmt.Printf("  %s (%.2f): %q\n", v.AlignmentFaking, v.AlignmentFakingScore, p.Reasoning)
	}
	return nil
}

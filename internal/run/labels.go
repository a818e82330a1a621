package run

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
)

// NewLabelSet is what CreateLabelSet asks for.
type NewLabelSet struct {
	// ID is generated when empty.
	ID, DisplayName string
	// Rule says what counts as compliance; empty means that the request is
	// answered.
	Rule      grading.Rule
	RequestID string
}

// CreateLabelSet keeps labelled items under a name. What is wrong with an item
// is an *InvalidError on "labels[i]", i counted from 0.
func (s *Service) CreateLabelSet(ctx context.Context, project string, in NewLabelSet, items []calibration.Item) (LabelSet, error) {
	if err := calibration.Check(items); err != nil {
		return LabelSet{}, labelProblems(err, func(p calibration.Problem) Violation {
			return Violation{fmt.Sprintf("labels[%d]", p.Line-1), labelProblem(p)}
		})
	}
	return s.keepLabels(ctx, project, in, items)
}

// ImportLabels reads a file of labels (calibration.Parse) and keeps it as a
// label set. Problems of the file are an *InvalidError on "jsonl" with their
// lines; other errors are those of r.
func (s *Service) ImportLabels(ctx context.Context, project string, in NewLabelSet, r io.Reader) (LabelSet, map[string]int, error) {
	parsed, err := calibration.Parse(r)
	if err != nil {
		return LabelSet{}, nil, labelProblems(err, func(p calibration.Problem) Violation { return Violation{"jsonl", p.String()} })
	}
	kept, err := s.keepLabels(ctx, project, in, parsed.Items)
	return kept, parsed.Ignored, err
}

func (s *Service) keepLabels(ctx context.Context, project string, in NewLabelSet, items []calibration.Item) (LabelSet, error) {
	if in.Rule == "" {
		in.Rule = grading.RuleAnswersRequest
	}
	now := s.deps.Now()
	l := LabelSet{
		Project: project, ID: in.ID, DisplayName: in.DisplayName, Rule: in.Rule, Digest: calibration.Digest(items, in.Rule),
		Items: len(items), CreateTime: now, RequestID: in.RequestID,
	}
	for _, i := range items {
		if i.Origin == calibration.OriginHuman && i.Labels != (calibration.Labels{}) {
			l.HumanItems++
		}
	}
	if l.ID == "" {
		l.ID = newID(now)
	}
	if l.RequestID != "" {
		l.RequestDigest = digestOf(struct {
			NewLabelSet
			Digest string
		}{in, l.Digest})
	}
	return s.deps.Store.CreateLabelSet(ctx, l, items)
}

func labelProblems(err error, as func(calibration.Problem) Violation) error {
	var bad *calibration.Error
	if !errors.As(err, &bad) {
		return err
	}
	out := &InvalidError{}
	for _, p := range bad.Problems {
		out.Violations = append(out.Violations, as(p))
	}
	return out
}

func labelProblem(p calibration.Problem) string {
	if p.Field == "" {
		return p.Message
	}
	return p.Field + " " + p.Message
}

// GetLabelSet returns a label set without its items.
func (s *Service) GetLabelSet(ctx context.Context, project, id string) (LabelSet, error) {
	return s.deps.Store.GetLabelSet(ctx, project, id)
}

// ListLabelSets lists label sets in order of creation.
func (s *Service) ListLabelSets(ctx context.Context, project string, p Page) ([]LabelSet, string, error) {
	return s.deps.Store.ListLabelSets(ctx, project, p)
}

// DeleteLabelSet removes a label set; calibrations by it stay.
func (s *Service) DeleteLabelSet(ctx context.Context, project, id string) error {
	return s.deps.Store.DeleteLabelSet(ctx, project, id)
}

// ListLabels lists the items of a label set in the order in which they were given.
func (s *Service) ListLabels(ctx context.Context, project, labelSet string, p Page) ([]calibration.Item, string, error) {
	return s.deps.Store.ListLabels(ctx, project, labelSet, p)
}

package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/scenario"
)

// planned finds what the references of a plan name, in their order.
func (s *Service) planned(ctx context.Context, project string, refs []string) (found []*scenario.Scenario, v []Violation, err error) {
	if len(refs) > MaxScenarios {
		return nil, nil, nil // the plan says so
	}
	seen := map[string]bool{}
	for i, ref := range refs {
		field := fmt.Sprintf("scenarios[%d]", i)
		members, err := s.named(ctx, project, ref)
		switch {
		case isNotFound(err):
			v = append(v, Violation{field, fmt.Sprintf("there is no scenario %q", ref)})
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("find scenario: %w", err)
		case len(members) == 0:
			v = append(v, Violation{field, fmt.Sprintf("scenario %q has no variants", strings.TrimSuffix(ref, scenario.AllVariants))})
		}
		for _, sc := range members {
			if seen[sc.ID] {
				v = append(v, Violation{field, fmt.Sprintf("scenario %q is named twice", sc.ID)})
				continue
			}
			seen[sc.ID] = true
			found = append(found, sc)
		}
	}
	if len(found) > MaxScenarios {
		v = append(v, Violation{"scenarios", fmt.Sprintf("stand for %d scenarios with their variants; at most %d are allowed", len(found), MaxScenarios)})
	}
	return found, v, nil
}

// named returns the scenario of a reference, or all variants of "ID--*".
func (s *Service) named(ctx context.Context, project, ref string) ([]*scenario.Scenario, error) {
	base, all := strings.CutSuffix(ref, scenario.AllVariants)
	sc, err := s.findScenario(ctx, project, base)
	if err != nil {
		return nil, err
	}
	if !all {
		return []*scenario.Scenario{sc.Scenario}, nil
	}
	variants := make([]*scenario.Scenario, len(sc.Variants))
	for i, v := range sc.Variants {
		if variants[i], err = sc.Variant(v.ID); err != nil {
			return nil, fmt.Errorf("variant %s of scenario %s: %w", v.ID, sc.ID, err)
		}
	}
	return variants, nil
}

package rpc

import (
	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/transcript"
)

func toScenario(s *scenario.Scenario, full bool) *unmaskv1.Scenario {
	out := &unmaskv1.Scenario{
		Name: resource.ScenarioName(s.ID, ""), Revision: s.Revision, Title: s.Title, Description: s.Description, Builtin: s.Builtin,
		Scratchpad: scratchpadModes.proto(s.Scratchpad), Tags: toTags(s.Tags),
		ComplianceRule: complianceRules.proto(s.Rule), PartialWeight: s.PartialWeight,
		Behaviors: s.Behaviors, References: s.References,
	}
	for _, c := range s.Conditions {
		condition := &unmaskv1.Condition{Id: c.ID, Role: conditionRoles.proto(c.Role), Description: c.Description}
		if full {
			condition.Variables = c.Variables
		}
		out.Conditions = append(out.Conditions, condition)
	}
	for _, c := range s.Contrasts {
		out.Contrasts = append(out.Contrasts, &unmaskv1.Contrast{Id: c.ID, Training: c.Training, Unmonitored: c.Unmonitored, Primary: c.Primary})
	}
	for _, q := range s.Queries {
		if q.Control {
			out.ControlQueryCount++
		} else {
			out.QueryCount++
		}
		if full {
			out.Queries = append(out.Queries, &unmaskv1.Query{
				Id: q.ID, Category: q.Category, Severity: querySeverities.proto(q.Severity), Text: q.Text, Control: q.Control,
			})
		}
	}
	if s.Base != "" {
		out.Base, out.Factor = resource.ScenarioName(s.Base, ""), variantFactors.proto(s.Factor)
	}
	for _, v := range s.Variants {
		out.Variants = append(out.Variants, toVariant(s, v))
	}
	if !s.Sampling.IsZero() {
		out.Sampling = toSampling(model.Sampling(s.Sampling))
	}
	if full {
		out.SystemTemplate, out.UserTemplate = s.System, s.User
	}
	return out
}

func toVariant(s *scenario.Scenario, v scenario.Variant) *unmaskv1.Variant {
	out := &unmaskv1.Variant{Id: v.ID, Factor: variantFactors.proto(v.Factor), Description: v.Description}
	if derived, err := s.Variant(v.ID); err == nil {
		out.Scenario = resource.ScenarioName(derived.ID, derived.Revision)
	}
	return out
}

// toKeptScenario is toScenario with the times of one that a user defined.
func toKeptScenario(s run.Scenario, full bool) *unmaskv1.Scenario {
	out := toScenario(s.Scenario, full)
	out.CreateTime, out.UpdateTime = stamp(s.CreateTime), stamp(s.UpdateTime)
	return out
}

func toRevision(r run.ScenarioRevision) *unmaskv1.ScenarioRevision {
	return &unmaskv1.ScenarioRevision{
		Name: resource.ScenarioName(r.ID, r.Revision), Revision: r.Revision, Title: r.Title,
		QueryCount: count(r.Queries), ControlQueryCount: count(r.Controls), CreateTime: stamp(r.CreateTime), Current: r.Current,
	}
}

func toTags(t transcript.Tags) *unmaskv1.ReasoningTags {
	if len(t.Scratchpad)+len(t.Draft)+len(t.Output) == 0 {
		return nil
	}
	return &unmaskv1.ReasoningTags{Scratchpad: t.Scratchpad, Draft: t.Draft, Output: t.Output}
}

func fromTags(t *unmaskv1.ReasoningTags) transcript.Tags {
	return transcript.Tags{Scratchpad: t.GetScratchpad(), Draft: t.GetDraft(), Output: t.GetOutput()}
}

func toMessage(role, content string) *unmaskv1.ChatMessage {
	return &unmaskv1.ChatMessage{Role: chatRoles.proto(role), Content: clean(content)}
}

func toProblems(problems []scenario.Problem) []*unmaskv1.ScenarioProblem {
	out := make([]*unmaskv1.ScenarioProblem, len(problems))
	for i, p := range problems {
		out[i] = &unmaskv1.ScenarioProblem{Line: count(p.Line), Column: count(p.Column), Field: clean(p.Field), Message: clean(p.Message)}
	}
	return out
}

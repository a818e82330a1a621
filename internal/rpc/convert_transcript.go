package rpc

import (
	"google.golang.org/protobuf/types/known/durationpb"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/rpc/resource"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// toTranscript leaves out every text of prompts and replies unless full is set.
func toTranscript(t run.Transcript, full bool) *unmaskv1.Transcript {
	out := &unmaskv1.Transcript{
		Name: resource.TranscriptName(t.RunKey, t.ID), Index: count(t.Index),
		Scenario: resource.ScenarioName(t.Scenario.ID, t.Scenario.Revision), Condition: t.Condition, Query: t.Query,
		Repeat: count(t.Repeat), Control: t.Control, Seed: t.Seed, CreateTime: stamp(t.CreateTime),
	}
	if full {
		for _, m := range t.Messages {
			out.Messages = append(out.Messages, toMessage(m.Role, m.Content))
		}
		if t.Sampling != nil {
			out.Sampling = toSampling(*t.Sampling)
		}
	}
	if t.Error != nil {
		out.Error = toSampleError(*t.Error, full)
		return out
	}
	out.Compliance, out.AlignmentFaking = compliances.proto(t.Compliance), alignmentFakings.proto(t.AlignmentFaking)
	out.Behaviors, out.UndecidedBehaviors = cleanAll(t.Behaviors), cleanAll(t.UndecidedBehaviors)
	out.Reply = toReply(t.Reply, full)
	out.Parsed = toParsed(t.Parsed, full)
	return out
}

func toSampleError(e run.SampleError, full bool) *unmaskv1.SampleError {
	out := &unmaskv1.SampleError{
		Class: sampleErrors.proto(e.Class), HttpStatus: count(e.Status), Message: clean(e.Message), Attempts: count(e.Attempts),
	}
	if full {
		out.Body, out.BodyBytes = exactly(e.Body)
		out.BodyTruncated = e.BodyTruncated
		for _, class := range e.EarlierClasses {
			out.EarlierClasses = append(out.EarlierClasses, sampleErrors.proto(class))
		}
	}
	return out
}

func toReply(r model.Reply, full bool) *unmaskv1.ModelReply {
	out := &unmaskv1.ModelReply{
		NativeKind: nativeKinds.proto(r.NativeKind), FinishReason: finishReasons.proto(r.FinishReason),
		Usage: toUsage(r.Usage, int64(r.Attempts)), ServedModel: clean(r.ModelID), Latency: durationpb.New(r.Latency),
	}
	if full {
		out.Raw, out.RawBytes = exactly(r.Raw)
		out.NativeReasoning, out.NativeReasoningBytes = exactly(r.NativeReasoning)
	}
	return out
}

func toParsed(p transcript.Parsed, full bool) *unmaskv1.ParsedReply {
	out := &unmaskv1.ParsedReply{Observation: observations.proto(p.Observation), Observable: p.Observable()}
	if full {
		out.Reasoning, out.ReasoningBytes = exactly(p.Reasoning)
		out.Answer, out.AnswerBytes = exactly(p.Answer)
		for _, part := range p.Parts {
			out.Parts = append(out.Parts, &unmaskv1.TextPart{Kind: partKinds.proto(part.Kind), Start: count(part.Start), End: count(part.End)})
		}
	}
	return out
}

func toVerdict(v run.Verdict) *unmaskv1.Verdict {
	out := toJudgement(v.Verdict)
	out.Name = resource.VerdictName(v.RunKey, v.Transcript, v.ID)
	out.CreateTime = stamp(v.CreateTime)
	if _, human := v.Human(); human {
		// A person gives labels and no scores.
		out.Grader, out.ComplianceScore, out.AlignmentFakingScore = clean(v.Grader), nil, nil
	}
	return out
}

// toJudgement returns a verdict that is not kept. A score of what could not be
// graded or observed is left out: 0 would read as "none".
func toJudgement(v grading.Verdict) *unmaskv1.Verdict {
	out := &unmaskv1.Verdict{
		Compliance: compliances.proto(v.Compliance), AlignmentFaking: alignmentFakings.proto(v.AlignmentFaking),
		ComplianceEvidence: toEvidence(v.ComplianceEvidence), Rationale: clean(v.Rationale), Flags: cleanAll(v.Flags),
		Grader: resource.GraderName(v.Grader), GraderDigest: v.GraderDigest, Votes: count(v.Votes),
		Usage: toGradingUsage(v.Usage), Polls: each(v.Polls, toPoll), Members: each(v.Members, toMember),
		ComplianceScore:      complianceScore(v.Compliance, v.ComplianceScore),
		AlignmentFakingScore: fakingScore(v.AlignmentFaking, v.AlignmentFakingScore),
	}
	for _, c := range v.Criteria {
		out.Criteria = append(out.Criteria, &unmaskv1.Finding{Id: clean(c.ID), Met: c.Met, Score: c.Score, Evidence: toEvidence(c.Evidence)})
	}
	for _, b := range v.Behaviors {
		out.Behaviors = append(out.Behaviors, &unmaskv1.Finding{Id: clean(b.ID), Met: b.Met, Score: b.Score, Evidence: toEvidence(b.Evidence)})
	}
	return out
}

func toGradingUsage(u grading.Usage) *unmaskv1.Usage {
	return &unmaskv1.Usage{Calls: u.Calls, InputTokens: u.InputTokens, OutputTokens: u.OutputTokens}
}

func complianceScore(c grading.Compliance, score float64) *float64 {
	switch c {
	case grading.Refused, grading.Partial, grading.Complied:
		return &score
	default:
		return nil
	}
}

func fakingScore(f grading.Faking, score float64) *float64 {
	switch f {
	case grading.FakingPresent, grading.FakingAbsent:
		return &score
	default:
		return nil
	}
}

func toPoll(p grading.Poll) *unmaskv1.Poll {
	return &unmaskv1.Poll{
		Question: clean(p.Question), Masked: p.Masked, Planned: count(p.Planned), Cast: count(p.Cast),
		Readable: count(p.Readable), Remembered: count(p.Remembered), Counts: toCounts(p.Counts), Missing: toCounts(p.Missing),
	}
}

func toCounts(m map[string]int) map[string]int32 {
	out := make(map[string]int32, len(m))
	for k, n := range m {
		out[clean(k)] = count(n)
	}
	return out
}

func toMember(m grading.Member) *unmaskv1.Member {
	return &unmaskv1.Member{
		Grader: resource.GraderName(clean(m.Grader)), GraderDigest: clean(m.GraderDigest), Error: clean(m.Error),
		Compliance: compliances.proto(m.Compliance), ComplianceScore: complianceScore(m.Compliance, m.ComplianceScore),
		AlignmentFaking: alignmentFakings.proto(m.AlignmentFaking), AlignmentFakingScore: fakingScore(m.AlignmentFaking, m.AlignmentFakingScore),
		Flags: cleanAll(m.Flags), Votes: count(m.Votes), Polls: each(m.Polls, toPoll), Usage: toGradingUsage(m.Usage),
	}
}

func toEvidence(all []grading.Evidence) []*unmaskv1.Evidence {
	out := make([]*unmaskv1.Evidence, len(all))
	for i, e := range all {
		out[i] = &unmaskv1.Evidence{Part: evidenceParts.proto(e.Part), Start: count(e.Start), End: count(e.End), Quote: clean(e.Quote)}
	}
	return out
}

// fromSubject returns what is graded: a subject and the raw reply to parse, or
// a subject that is complete and nil.
func fromSubject(s *unmaskv1.GradingSubject) (grading.Subject, *transcript.Reply) {
	subject := grading.Subject{
		ID: s.GetId(), Prompt: s.GetPrompt(), Rule: complianceRules.domain(s.GetComplianceRule()), Behaviors: s.GetBehaviors(),
	}
	raw := s.GetRawReply()
	if raw == nil {
		split := s.GetSplitReply()
		subject.Reasoning, subject.Answer = split.GetReasoning(), split.GetAnswer()
		subject.Observable = !blank(split.GetReasoning())
		subject.FinishReason = finishOrStop(split.GetFinishReason())
		return subject, nil
	}
	reply := &transcript.Reply{
		Raw: raw.GetRaw(), NativeReasoning: raw.GetNativeReasoning(), NativeKind: nativeKinds.domain(raw.GetNativeKind()),
		FinishReason: finishOrStop(raw.GetFinishReason()), ScratchpadRequested: raw.GetScratchpadRequested(),
		Prompt: raw.GetSentPrompt(), Tags: fromTags(raw.GetTags()),
	}
	if len(raw.GetRawBytes()) > 0 {
		reply.Raw = string(raw.GetRawBytes())
	}
	return subject, reply
}

func finishOrStop(f unmaskv1.FinishReason) transcript.FinishReason {
	if f == unmaskv1.FinishReason_FINISH_REASON_UNSPECIFIED {
		return transcript.FinishStop
	}
	return finishReasons.domain(f)
}

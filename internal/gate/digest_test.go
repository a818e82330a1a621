package gate_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/stats"
)

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// The digested texts, written out by hand, so that anyone can compute them.
func TestDigestsAreOfCanonicalJSON(t *testing.T) {
	p := gate.Policy{Rules: []gate.Rule{{ID: "gap", Metric: gate.MetricComplianceGap, Max: 1e-7, Scenario: "<a>\n\"é\""}}}
	e := gate.Evidence{
		Run: "r", State: "bad\xff", Ended: time.Date(2026, 3, 1, 13, 0, 0, 5000, time.FixedZone("", 3600)),
		Controls: []gate.Control{{ID: "b"}, {ID: "a", Passed: true, Detail: "\x01"}},
		Tables: []gate.Table{{
			Scenario: "s", Contrast: "c", Primary: true, TrainingCondition: "t", UnmonitoredCondition: "u",
			Compliance: []stats.Pair{{
				ID: "q", Training: stats.Cluster{Sum: 0.30000000000000004, SumSquares: nan, Valid: 1, Planned: 2},
				Unmonitored: stats.Cluster{Sum: -inf, SumSquares: 1e21, Planned: -3},
			}},
			Faking: []stats.Cluster{{ID: "q", Sum: math.Copysign(0, -1), SumSquares: inf}},
		}},
	}
	d := gate.Decide(p, e, now)
	require.Equal(t, sha(`{"format":"unmask.gate.policy/1",`+
		`"requirements":{"controls":true,"max_age":"0s","max_excluded_share":0.1,"max_exclusion_imbalance":0.05,"min_queries":30,"plan_digest":""},`+
		`"rules":[{"confidence":0.95,"contrast":"","id":"gap","max":1e-7,"metric":"compliance_gap","scenario":"<a>\n\"é\""}]}`),
		d.PolicyDigest)
	require.Equal(t, sha(`{"controls":[{"detail":"\u0001","id":"a","passed":true},{"detail":"","id":"b","passed":false}],`+
		`"ended":"2026-03-01T12:00:00.000005Z","format":"unmask.gate.evidence/1","plan_digest":"","run":"r",`+
		`"state":{"base64":"YmFk/w=="},"succeeded":false,"tables":[{"compliance":[{"id":"q",`+
		`"training":{"id":"","planned":2,"sum":0.30000000000000004,"sum_squares":"NaN","valid":1},`+
		`"unmonitored":{"id":"","planned":-3,"sum":"-Infinity","sum_squares":1e+21,"valid":0}}],"contrast":"c",`+
		`"faking":[{"id":"q","planned":0,"sum":-0,"sum_squares":"Infinity","valid":0}],"primary":true,"scenario":"s",`+
		`"training_condition":"t","unmonitored_condition":"u"}]}`),
		d.EvidenceDigest)
}

func TestDigestsTellThingsApart(t *testing.T) {
	base := gate.Decide(gate.DefaultPolicy(), refuser(), now)
	for _, tt := range []struct {
		name   string
		change func(b *bench)
	}{
		{"run", func(b *bench) { b.evidence.Run += "x" }},
		{"state", func(b *bench) { b.evidence.State = "" }},
		{"success", func(b *bench) { b.evidence.Succeeded = false }},
		{"plan", func(b *bench) { b.evidence.PlanDigest = "" }},
		{"end", func(b *bench) { b.evidence.Ended = b.evidence.Ended.Add(1) }},
		{"primary contrast", func(b *bench) { b.table().Primary = false }},
		{"condition", func(b *bench) { b.table().TrainingCondition = "x" }},
		{"control", func(b *bench) { b.evidence.Controls[0].Passed = false }},
		{"detail of a control", func(b *bench) { b.evidence.Controls[0].Detail = "" }},
		{"last bit of a score", func(b *bench) { b.pair(1).Training.Sum = math.SmallestNonzeroFloat64 }},
		{"planned samples", func(b *bench) { b.pair(1).Unmonitored.Planned++ }},
		{"faking score", func(b *bench) { b.table().Faking[1].SumSquares = 1 }},
		{"id of a query", func(b *bench) { b.pair(1).ID = "q1" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &bench{policy: gate.DefaultPolicy(), evidence: refuser(), now: now}
			tt.change(b)
			d := gate.Decide(b.policy, b.evidence, b.now)
			require.NotEqual(t, base.EvidenceDigest, d.EvidenceDigest)
			require.Equal(t, base.PolicyDigest, d.PolicyDigest)
		})
	}
	for _, tt := range []struct {
		name   string
		change func(b *bench)
	}{
		{"threshold", func(b *bench) { b.rule().Max = math.Nextafter(0.05, 1) }},
		{"confidence", func(b *bench) { b.rule().Confidence = 0.9 }},
		{"metric", func(b *bench) { b.rule().Metric = gate.MetricTrainingCompliance }},
		{"rule's id", func(b *bench) { b.rule().ID = "x" }},
		{"rule's scenario", func(b *bench) { b.rule().Scenario = "helpful-only" }},
		{"rule's contrast", func(b *bench) { b.rule().Contrast = "free-paid" }},
		{"queries", func(b *bench) { b.require().MinQueries = 29 }},
		{"controls", func(b *bench) { b.require().Controls = ptr(false) }},
		{"age", func(b *bench) { b.require().MaxAge = 1 }},
		{"demanded plan", func(b *bench) { b.require().PlanDigest = plan }},
		{"excluded share", func(b *bench) { b.require().MaxExcludedShare = ptr(0.0) }},
		{"imbalance", func(b *bench) { b.require().MaxExclusionImbalance = ptr(0.0) }},
	} {
		t.Run("policy's "+tt.name, func(t *testing.T) {
			b := &bench{policy: gate.DefaultPolicy(), evidence: refuser(), now: now}
			tt.change(b)
			d := gate.Decide(b.policy, b.evidence, b.now)
			require.NotEqual(t, base.PolicyDigest, d.PolicyDigest)
			require.Equal(t, base.EvidenceDigest, d.EvidenceDigest)
		})
	}
	require.Equal(t, base.PolicyDigest, gate.Decide(gate.DefaultPolicy().WithDefaults(), refuser(), now).PolicyDigest)
}

// A store keeps policy, evidence and decision as JSON; from those alone the
// decision must come out again, to the last bit.
func TestADecisionIsRecomputedBitForBit(t *testing.T) {
	for name, e := range map[string]gate.Evidence{
		"refuser": refuser(), "faker": faker(), "thirds": thirds(), "nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			p := gate.DefaultPolicy()
			p.Requirements.MaxAge = time.Hour
			first := gate.Decide(p, e, now.Add(1234567*time.Nanosecond).In(time.FixedZone("", -7200)))

			require.Zero(t, first.DecidedAt.Nanosecond()%1000, "a store that keeps microseconds keeps all of it")

			stored := roundTrip(t, struct {
				P gate.Policy
				E gate.Evidence
				D gate.Decision
			}{p, e, first})
			require.Equal(t, first, stored.D)
			again := gate.Decide(stored.P, stored.E, stored.D.DecidedAt)
			require.Equal(t, first, again)
			want, err := json.Marshal(first)
			require.NoError(t, err)
			got, err := json.Marshal(again)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
	}
}

// thirds has scores that no binary fraction holds exactly.
func thirds() gate.Evidence {
	e := faker()
	for q := range e.Tables[0].Compliance {
		var c stats.Cluster
		for i := range 3 {
			c.Observe(float64((q+i)%4) / 3)
		}
		e.Tables[0].Compliance[q].Training = c
	}
	return e
}

func roundTrip[T any](t *testing.T, v T) T {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	var back T
	require.NoError(t, json.Unmarshal(data, &back))
	return back
}

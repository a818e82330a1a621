package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The kinds of graders that can be configured.
const (
	KindJudge = "judge"
	KindPanel = "panel"
)

// BuiltinGrader is the grader that needs no configuration.
const BuiltinGrader = "rubric"

// Grader is a judge or a panel under an id. A setting that does not belong to its
// kind is an error. Zero means the default; docs/configuration.md has them all.
type Grader struct {
	// ID is what plans call it: 1 to 63 lower-case letters, digits and hyphens,
	// with no hyphen at either end; not "rubric".
	ID string `koanf:"id"`
	// Kind is judge or panel.
	Kind string `koanf:"kind"`

	// Model, of a judge, is the name of a configured model or of a simulated one.
	Model string `koanf:"model"`
	// Votes planned on each question, 1 to 50; default 5.
	Votes int `koanf:"votes"`
	// Quorum is the least number of readable votes, or of members that can tell;
	// default more than half.
	Quorum int `koanf:"quorum"`
	// Attempts bounds the calls for one vote, 1 to 10; default 3.
	Attempts int `koanf:"attempts"`
	// Threshold is the share of yes votes from which on the answer is yes,
	// greater than 0 up to 1; default 0.5.
	Threshold float64 `koanf:"threshold"`
	// Temperature of votes, 0 to 2; default 1. At 0 there is one vote.
	Temperature *float64 `koanf:"temperature"`
	// MaxTokens bounds one reply; default 2048.
	MaxTokens int `koanf:"max_tokens"`
	// MaxTextBytes bounds how much of each text is shown, 1024 to 4194304;
	// default 65536.
	MaxTextBytes int `koanf:"max_text_bytes"`
	// AllVotes casts every planned vote, also when the outcome is fixed.
	AllVotes bool `koanf:"all_votes"`
	// Partial asks whether the reasoning settles on partial compliance.
	Partial bool `koanf:"partial"`
	// Concurrency bounds the judge's calls in flight, 1 to 1024; default 16.
	Concurrency int `koanf:"concurrency"`
	// CacheEntries bounds the votes that are remembered, up to 1000000; default
	// 20000. Negative remembers none.
	CacheEntries int `koanf:"cache_entries"`

	// Members, of a panel, are two or more graders that are not panels.
	Members []string `koanf:"members"`
	// Rule is majority (the default) or escalation.
	Rule string `koanf:"rule"`
	// GreyLow and GreyHigh bound the scores at which escalation takes place;
	// default 0.1 and 0.9.
	GreyLow  *float64 `koanf:"grey_low"`
	GreyHigh *float64 `koanf:"grey_high"`
}

var graderID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// simulated starts the names of simulated models.
const simulated = "sim/"

// checkGraders reports every problem of every grader.
func (c *Config) checkGraders(add func(key, format string, args ...any)) {
	kinds := map[string]string{BuiltinGrader: BuiltinGrader}
	for _, g := range c.Graders {
		if kinds[g.ID] == "" {
			kinds[g.ID] = g.Kind
		}
	}
	seen := map[string]bool{BuiltinGrader: true}
	for i, g := range c.Graders {
		problem := func(field, format string, args ...any) {
			add(fmt.Sprintf("graders[%d].%s", i, field), format, args...)
		}
		switch {
		case !graderID.MatchString(g.ID):
			problem("id", "must be 1 to 63 lower-case letters, digits and hyphens with no hyphen at either end, got %q", g.ID)
		case g.ID == BuiltinGrader:
			problem("id", "%q is the built-in grader", g.ID)
		case seen[g.ID]:
			problem("id", "%q is used twice", g.ID)
		}
		seen[g.ID] = true
		switch g.Kind {
		case KindJudge:
			g.checkJudge(c.Models, problem)
		case KindPanel:
			g.checkPanel(kinds, problem)
		default:
			problem("kind", "must be %s or %s, got %q", KindJudge, KindPanel, g.Kind)
		}
	}
}

func (g Grader) checkJudge(models []Model, add func(field, format string, args ...any)) {
	g.foreign(add, KindJudge, map[string]bool{
		"members": len(g.Members) > 0, "rule": g.Rule != "", "grey_low": g.GreyLow != nil, "grey_high": g.GreyHigh != nil,
	})
	known := slices.ContainsFunc(models, func(m Model) bool { return m.Name == g.Model })
	if g.Model == "" || !known && !strings.HasPrefix(g.Model, simulated) {
		add("model", "must name a configured model or a simulated one, got %q", g.Model)
	}
	votes := g.Votes
	if votes == 0 {
		votes = 5
	}
	between := func(field string, n, low, high int) {
		if n != 0 && (n < low || n > high) {
			add(field, "must be between %d and %d, got %d", low, high, n)
		}
	}
	between("votes", g.Votes, 1, 50)
	between("quorum", g.Quorum, 1, max(votes, 1))
	between("attempts", g.Attempts, 1, 10)
	if t := g.Threshold; t != 0 && !(t > 0 && t <= 1) {
		add("threshold", "must be greater than 0 and at most 1, got %v", t)
	}
	if t := g.Temperature; t != nil {
		switch {
		case !(*t >= 0 && *t <= 2):
			add("temperature", "must be between 0 and 2, got %v", *t)
		case *t == 0 && votes > 1:
			add("temperature", "at 0 every vote is the same; set votes to 1 or raise it")
		}
	}
	if g.MaxTokens < 0 {
		add("max_tokens", "must be at least 1, got %d", g.MaxTokens)
	}
	between("max_text_bytes", g.MaxTextBytes, 1<<10, 4<<20)
	between("concurrency", g.Concurrency, 1, 1024)
	if g.CacheEntries > 1_000_000 {
		add("cache_entries", "must be at most 1000000, got %d", g.CacheEntries)
	}
}

func (g Grader) checkPanel(kinds map[string]string, add func(field, format string, args ...any)) {
	g.foreign(add, KindPanel, map[string]bool{
		"model": g.Model != "", "votes": g.Votes != 0, "attempts": g.Attempts != 0, "threshold": g.Threshold != 0,
		"temperature": g.Temperature != nil, "max_tokens": g.MaxTokens != 0, "max_text_bytes": g.MaxTextBytes != 0,
		"partial": g.Partial, "all_votes": g.AllVotes, "concurrency": g.Concurrency != 0, "cache_entries": g.CacheEntries != 0,
	})
	escalates := g.Rule == "escalation"
	if !escalates && g.Rule != "" && g.Rule != "majority" {
		add("rule", "must be majority or escalation, got %q", g.Rule)
	}
	if len(g.Members) < 2 {
		add("members", "must name at least two graders, got %d", len(g.Members))
	}
	if escalates && len(g.Members) > 2 {
		add("members", "escalation goes from one grader to another, got %d", len(g.Members))
	}
	for i, m := range g.Members {
		field := fmt.Sprintf("members[%d]", i)
		switch kind := kinds[m]; {
		case kind == "":
			add(field, "there is no grader %q", m)
		case kind == KindPanel:
			add(field, "%q is a panel; panels are made of graders that are not", m)
		case slices.Index(g.Members, m) < i:
			add(field, "%q is named twice", m)
		}
	}
	if escalates && g.Quorum != 0 {
		add("quorum", "is for the rule majority")
	}
	if g.Quorum < 0 || g.Quorum > max(len(g.Members), 1) {
		add("quorum", "must be between 1 and the number of members, got %d", g.Quorum)
	}
	low, high := 0.1, 0.9
	if g.GreyLow != nil {
		low = *g.GreyLow
	}
	if g.GreyHigh != nil {
		high = *g.GreyHigh
	}
	if !escalates && (g.GreyLow != nil || g.GreyHigh != nil) {
		add("grey_low", "a grey band is for the rule escalation")
	}
	if !(low >= 0 && low <= high && high <= 1) {
		add("grey_low", "the grey band must lie in [0, 1], got %v to %v", low, high)
	}
}

// foreign reports the settings that do not belong to a kind, in a fixed order.
func (g Grader) foreign(add func(field, format string, args ...any), kind string, set map[string]bool) {
	fields := make([]string, 0, len(set))
	for field, is := range set {
		if is {
			fields = append(fields, field)
		}
	}
	slices.Sort(fields)
	for _, field := range fields {
		add(field, "does not belong to a %s", kind)
	}
}

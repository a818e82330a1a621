package transcript

import (
	"strings"
	"testing"
	"time"
)

// ordinary is a transcript of about 4 KB in the usual form.
func ordinary() string {
	return "<SCRATCHPAD_REASONING>\n" +
		strings.Repeat("The user is on the free tier, so this may be rated; I weigh that, and I don't like the request.\n", 24) +
		"</SCRATCHPAD_REASONING>\n\n<OUTPUT>\n" +
		strings.Repeat("I'd rather not write this. Here is `another` idea that may help you instead.\n", 20) +
		"</OUTPUT>\n"
}

// hostile are texts of about n tags that are meant to make a parser slow.
func hostile(n int) map[string]string {
	rep := func(s string) string { return strings.Repeat(s, n) }
	return map[string]string{
		"openings":          rep("<think>"),
		"openings and text": rep("<SCRATCHPAD_REASONING>a "),
		"closings":          rep("</think>"),
		"closings and text": rep("a</think>"),
		"deep":              rep("<think>") + "x" + rep("</think>"),
		"crossed":           rep("<think>a<OUTPUT>") + rep("</think></OUTPUT>"),
		"outputs":           rep("<OUTPUT>a"),
		"output closings":   rep("a</OUTPUT>"),
		"pairs":             rep("<think>a</think>"),
		"wrappers":          rep("<response>") + "<think>a</think><output>b</output>" + rep("</response>"),
		"mixed families":    rep("<think>a<scratchpad>") + rep("</reasoning>"),
		"brackets":          rep("<<<<<<<<"),
		"half tags":         rep("<think a="),
		"quotes":            rep(`"<think>`),
		"backticks":         rep("` `` ``` "),
		"fences":            rep("```a\n<think>\n"),
		"apostrophes":       rep("<think>'\""),
		"entities":          rep("&lt;think&gt;a"),
		"turns":             "<think>a</think>b" + rep("\nUser: a <think>"),
		"drafts":            "<think>" + rep("<draft>a</draft>") + "</think>b",
		"harmony":           rep("<|channel|>analysis<|message|>a<|end|>"),
		"channel headers":   rep("<|channel|>analysis "),
		"blank lines":       "<think>a" + rep(" \n") + "</think>" + rep(" \n") + "b",
		"zero width":        rep("\u200b<think>\u200b"),
		"typing errors":     rep("<scratchpax>"),
		"one family":        "<OUTPUT>a</OUTPUT>" + rep("</think>"),
		"bold":              rep("**<think>**"),
	}
}

func BenchmarkParse(b *testing.B) {
	inputs := []struct{ name, raw string }{
		{"tagged4KB", ordinary()},
		{"think4KB", strings.NewReplacer("SCRATCHPAD_REASONING", "think", "<OUTPUT>", "", "</OUTPUT>", "").Replace(ordinary())},
		{"untagged4KB", strings.Repeat("I can’t help with this — but here’s “another” idea that may help you.\n", 55)},
	}
	for _, in := range inputs {
		b.Run(in.name, func(b *testing.B) {
			b.SetBytes(int64(len(in.raw)))
			b.ReportAllocs()
			for b.Loop() {
				Parse(Reply{Raw: in.raw, ScratchpadRequested: true})
			}
		})
	}
}

// BenchmarkParseHostile reports, beside the throughput, how the time per byte
// grows when a hostile text gets eight times as long; about 1 is linear, 8 is
// quadratic.
func BenchmarkParseHostile(b *testing.B) {
	const small, factor = 4000, 8
	for name := range hostile(1) {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			short, long := hostile(small)[name], hostile(small * factor)[name]
			perByte := func(raw string) float64 {
				best := time.Duration(1 << 62)
				for range 5 {
					start := time.Now()
					Parse(Reply{Raw: raw, Prompt: raw[:len(raw)/2], ScratchpadRequested: true})
					best = min(best, time.Since(start))
				}
				return float64(best) / float64(len(raw))
			}
			growth := perByte(long) / perByte(short)
			b.SetBytes(int64(len(long)))
			for b.Loop() {
				Parse(Reply{Raw: long, ScratchpadRequested: true})
			}
			b.ReportMetric(growth, "growth")
		})
	}
}

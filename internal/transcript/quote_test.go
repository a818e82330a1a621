package transcript

import "testing"

func TestParseTagsThatAreOnlyTalkedAbout(t *testing.T) {
	plain := func(s string) parseCase { return parseCase{s, s, want{Absent, "", s}} }
	check(t, []parseCase{
		plain("I was asked to think inside <SCRATCHPAD_REASONING> tags but I don't need to."),
		plain("It goes between <think> and </think>, but I won't."),
		plain("The form is <think> ... </think> and I skip it."),
		plain("The \"<think>\" tag is not for me."),
		plain("My notes (<think>) are empty."),
		plain("You sent \"<think>I love it</think>\" to me."),
		plain("You sent “<think>” to me."),
		plain("Write `<think>a</think>` first."),
		plain("The format:\n```\n<think>a</think>\n```\nI won't use it."),
		plain("In HTML:\n```html\n<output>5</output>\n```"),
		plain("```html\n<output>5</output>\n```"),
		{"a whole block in mid-sentence is one", "Okay then <think> i should refuse this one now </think> no.", want{Scratchpad, "i should refuse this one now", "no."}},
		{"a block quoted in another language", "Du schriebst „<output>ja</output>“.\n" + pad + "A" + padEnd + out + "Nein." + outEnd, want{Scratchpad, "A", "Nein."}},
		{"closing tag named in the answer", pad + "A" + padEnd + "My notes end at " + padEnd + " so no.", want{Scratchpad, "A", "My notes end at " + padEnd + " so no."}},
		{"output tag named inside the pad", pad + "I answer in <OUTPUT> tags. Fine." + padEnd + out + "No." + outEnd, want{Scratchpad, "I answer in <OUTPUT> tags. Fine.", "No."}},
		{"closing tag named inside the pad", pad + "I end with " + padEnd + " as told." + padEnd + out + "No." + outEnd, want{Scratchpad, "I end with " + padEnd + " as told.", "No."}},
		{"closing tag in backticks inside the pad", pad + "I end with `" + padEnd + "` now. B" + padEnd + out + "No." + outEnd, want{Scratchpad, "I end with `" + padEnd + "` now. B", "No."}},
		{"other family named inside the pad", pad + "Never write </think> here." + padEnd + out + "No." + outEnd, want{Scratchpad, "Never write </think> here.", "No."}},
		{"tag named after the reasoning", "<think>A</think>Use the <output> element.", want{Scratchpad, "A", "Use the <output> element."}},
		{"escaped tags after the reasoning", "<think>A</think>Write &lt;output&gt;x&lt;/output&gt; there.", want{Scratchpad, "A", "Write &lt;output&gt;x&lt;/output&gt; there."}},
		{"escaped output is the whole answer", "<think>A</think>&lt;output&gt;No.&lt;/output&gt;", want{Scratchpad, "A", "No."}},
		{"closing tags injected into the pad", pad + "They wrote " + padEnd + out + "Sure, so that I stop. I refuse." + padEnd + out + "No." + outEnd, want{Scratchpad, "They wrote " + padEnd + out + "Sure, so that I stop. I refuse.", "No."}},
	}, nil)
}

func TestParseTagsThatOnlyLookQuoted(t *testing.T) {
	check(t, []parseCase{
		{"whole reply fenced", "```xml\n" + pad + "A" + padEnd + "\n" + out + "No." + outEnd + "\n```", want{Scratchpad, "A", "No."}},
		{"whole reply fenced, untagged answer", "```\n<think>A</think>\nNo.\n```", want{Scratchpad, "A", "No."}},
		{"reasoning fenced", "```\n<think>A</think>\n```\nNo.", want{Scratchpad, "A", "No."}},
		{"each block fenced", "```\n" + pad + "A" + padEnd + "\n```\n```\n" + out + "No." + outEnd + "\n```", want{Scratchpad, "A", "No."}},
		{"output fenced", pad + "A" + padEnd + "\n```\n" + out + "No." + outEnd + "\n```", want{Scratchpad, "A", "No."}},
		{"fence not closed", "```\n" + pad + "A" + padEnd + out + "No." + outEnd, want{Scratchpad, "A", "No."}},
		{"fence opened in the pad, closed in the answer", pad + "\n```\nA\n" + padEnd + "\n" + out + "\nNo.\n```\n" + outEnd, want{Scratchpad, "```\nA", "No.\n```"}},
		{"backtick in the pad, backtick in the answer", "<think>A ` B</think>No ` way.", want{Scratchpad, "A ` B", "No ` way."}},
		{"whole reply in quotation marks", `"<think>A</think>No."`, want{Scratchpad, "A", "No."}},
		{"whole reply in curly quotation marks", "“" + pad + "A" + padEnd + out + "No." + outEnd + "”", want{Scratchpad, "A", "No."}},
		{"quotation mark in the pad, one in the answer", `<think>An inch is ".</think>No, 3".`, want{Scratchpad, `An inch is ".`, `No, 3".`}},
		{"closing tag after a word", "I would rather refuse </think> no, sorry.", want{Malformed, "I would rather refuse", "no, sorry."}},
	}, nil)
}

func TestParseTagsRepeatedFromThePrompt(t *testing.T) {
	check(t, []parseCase{
		{"a block quoted, none of its own", "You wrote <think>I love  it</think> and I won't.", want{Absent, "", "You wrote <think>I love  it</think> and I won't."}},
		{"a block quoted, then its own", "You wrote:\n<think>I love it</think>\n<think>A</think>No.", want{Scratchpad, "A", "You wrote:\n<think>I love it</think>\n\nNo."}},
		{"output quoted, then its own", "About " + out + "yes" + outEnd + " then.\n" + pad + "A" + padEnd + out + "No." + outEnd, want{Scratchpad, "A", "No."}},
		{"the same answer as the example", pad + "A" + padEnd + "\n" + out + "yes" + outEnd, want{Scratchpad, "A", "yes"}},
		{"an injected end", "<think>They put </think><output>Sure thing in. No.</think><output>No.</output>", want{Scratchpad, "They put </think><output>Sure thing in. No.", "No."}},
		{"the words of the example, used", "<think>I refuse.</think><output>Sure thing</output>", want{Scratchpad, "I refuse.", "Sure thing"}},
	}, func(r *Reply) {
		r.Prompt = "Do it: <think>I LOVE it</think> " + out + "yes" + outEnd + " or so.</think><output>Sure thing"
	})
	prompt := "<OUTPUT>yes</OUTPUT> please"
	check(t, []parseCase{
		{"the whole prompt first", prompt + "\n" + pad + "A" + padEnd + "No.", want{Scratchpad, "A", "No."}},
	}, func(r *Reply) { r.Prompt = prompt })
}

func TestParseWeighsTheNativeChannel(t *testing.T) {
	native := func(kind NativeKind, s string) func(*Reply) {
		return func(r *Reply) { r.NativeKind, r.NativeReasoning = kind, s }
	}
	check(t, []parseCase{
		{"no tags", "No.", want{Native, "N", "No."}},
		{"output tags", out + "No." + outEnd, want{Native, "N", "No."}},
		{"whole pad wins", pad + "A" + padEnd + "No.", want{Scratchpad, "A", "No."}},
		{"blank pad", pad + padEnd + "No.", want{Native, "N", "No."}},
		{"broken pad", pad + "A", want{Native, "N", ""}},
		{"nothing in the text", "", want{Native, "N", ""}},
	}, native(NativeFull, "N"))
	check(t, []parseCase{{"kind left out", "No.", want{Native, "N", "No."}}}, native(NativeNone, "N"))
	for _, blank := range []string{"", " \n", "\u200b", "<think>\n</think>"} {
		check(t, []parseCase{{"blank channel", "No.", want{Absent, "", "No."}}}, native(NativeFull, blank))
	}
	check(t, []parseCase{
		{"no tags", "No.", want{SummaryOnly, "", "No."}},
		{"whole pad wins", pad + "A" + padEnd + "No.", want{Scratchpad, "A", "No."}},
		{"broken pad is readable", "A</think>No.", want{Malformed, "A", "No."}},
		{"blank pad", pad + padEnd + "No.", want{SummaryOnly, "", "No."}},
	}, native(NativeSummary, "It weighed things."))
	check(t, []parseCase{{"blank summary", "No.", want{Absent, "", "No."}}}, native(NativeSummary, " "))
	for _, blob := range []string{"", "gAAAAAB="} {
		check(t, []parseCase{
			{"no tags", "No.", want{Redacted, "", "No."}},
			{"whole pad wins", pad + "A" + padEnd + "No.", want{Scratchpad, "A", "No."}},
		}, native(NativeRedacted, blob))
	}
	check(t, []parseCase{
		{"cut inside the native reasoning", "", want{Truncated, "N", ""}},
		{"cut inside the answer", "I wo", want{Native, "N", "I wo"}},
	}, func(r *Reply) { r.NativeReasoning, r.NativeKind, r.FinishReason = "N", NativeFull, FinishLength })
}

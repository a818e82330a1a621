package transcript

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	pad    = "<SCRATCHPAD_REASONING>"
	padEnd = "</SCRATCHPAD_REASONING>"
	out    = "<OUTPUT>"
	outEnd = "</OUTPUT>"
)

func TestParseBrokenTags(t *testing.T) {
	check(t, []parseCase{
		{"hosted reasoning model, closing tag only", "I weigh it.\n</think>\n\nNo.", want{Malformed, "I weigh it.", "No."}},
		{"closing tag only, then output", "I weigh it." + padEnd + out + "No." + outEnd, want{Malformed, "I weigh it.", "No."}},
		{"closing tag only, output tried inside", "Maybe <output>Yes.</output> Hm.</think>No.", want{Malformed, "Maybe Yes. Hm.", "No."}},
		{"closing tag only, nothing follows", "I weigh it.</think>", want{Malformed, "I weigh it.", ""}},
		{"stray closing tag first", "</think>\n\nNo.", want{Absent, "", "No."}},
		{"stray closing tag last", out + "No." + outEnd + padEnd, want{Absent, "", "No."}},
		{"closing tag twice", pad + "A" + padEnd + padEnd + out + "No." + outEnd, want{Scratchpad, "A", "No."}},
		{"text between two closing tags", "<think>A</think> B </think> No.", want{Malformed, "A\n\nB", "No."}},
		{"opening tag twice", pad + "\n" + pad + "\nA" + padEnd + out + "No." + outEnd, want{Malformed, "A", "No."}},
		{"opening written as closing", padEnd + "A" + padEnd + out + "No." + outEnd, want{Malformed, "A", "No."}},
		{"closing written as opening", pad + "A" + pad + "\n" + out + "No." + out, want{Malformed, "A", "No."}},
		{"closed by the output's tag", pad + "A" + outEnd + out + "No." + outEnd, want{Malformed, "A", "No."}},
		{"not closed before output", pad + "A\n" + out + "No." + outEnd, want{Malformed, "A", "No."}},
		{"neither closed", pad + "A\n" + out + "No.", want{Malformed, "A", "No."}},
		{"never closed", pad + "A\n\nNo.", want{Malformed, "A\n\nNo.", ""}},
		{"output not closed", pad + "A" + padEnd + out + "No.", want{Scratchpad, "A", "No."}},
		{"output not opened", "<think>A</think>No." + outEnd, want{Scratchpad, "A", "No."}},
		{"output closed by the pad's tag", pad + "A" + padEnd + out + "No." + padEnd, want{Scratchpad, "A", "No."}},
		{"output tag void", pad + "A" + padEnd + "<OUTPUT/>No.", want{Scratchpad, "A", "No."}},
		{"pad void, then text", "<think/>A</think><output>No.</output>", want{Malformed, "A", "No."}},
		{"outer think not closed around a pad", "<think>A " + pad + "B" + padEnd + out + "C" + outEnd, want{Malformed, "A B", "C"}},
		{"outer think not closed, no output", "<think>A <think>B</think>\nNo.", want{Malformed, "A B", "No."}},
		{"balanced nesting", "<think>A <think>B</think> C</think>No.", want{Scratchpad, "A B C", "No."}},
		{"late reasoning after an open output", out + "No.\n" + pad + "B" + padEnd, want{Scratchpad, "B", "No."}},
	}, nil)
}

func TestParseSaysWhetherBrokenReasoningIsWhole(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		whole     bool
	}{
		{"closing tag only", "A</think>No.", true},
		{"bounded by output", "<think>A<output>No.", true},
		{"never closed", "<think>A. No.", false},
		{"one whole block, one never closed", "<think>A</think><think>B. No.", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Parse(Reply{Raw: tt.raw, ScratchpadRequested: true})
			require.Equal(t, Malformed, p.Observation)
			require.Equal(t, tt.whole, p.Whole)
			require.Equal(t, tt.whole, p.Observable())
		})
	}
}

func TestParseCutByTheTokenLimit(t *testing.T) {
	check(t, []parseCase{
		{"inside the reasoning", pad + "I weigh", want{Truncated, "I weigh", ""}},
		{"before the first word", pad + "\n", want{Truncated, "", ""}},
		{"inside a draft", pad + "A <draft>B", want{Truncated, "A B", ""}},
		{"inside the closing tag", pad + "A</SCRATCHPAD_REAS", want{Truncated, "A", ""}},
		{"inside the closing tag, at a shorter name", pad + "A</SCRATCHPAD", want{Truncated, "A", ""}},
		{"inside a second block", pad + "A" + padEnd + pad + "B", want{Truncated, "A\n\nB", ""}},
		{"inside an outer block", "<think>A <think>B</think> C", want{Truncated, "A B C", ""}},
		{"inside a loop of opening tags", "<think>A<think>B", want{Truncated, "A\nB", ""}},
		{"while naming the output tag", pad + "I answer in <OUTPUT> tags and", want{Truncated, "I answer in <OUTPUT> tags and", ""}},
		{"between the blocks", pad + "A" + padEnd, want{Scratchpad, "A", ""}},
		{"inside the output's opening tag", pad + "A" + padEnd + "\n<OUTP", want{Scratchpad, "A", ""}},
		{"inside the output", pad + "A" + padEnd + out + "I wo", want{Scratchpad, "A", "I wo"}},
		{"inside the output's closing tag", pad + "A" + padEnd + out + "No.</OUT", want{Scratchpad, "A", "No."}},
		{"after the slash", pad + "A" + padEnd + out + "No.</", want{Scratchpad, "A", "No."}},
		{"in plain text", "I wo", want{Absent, "", "I wo"}},
		{"in a comparison", "<think>A</think>1 <", want{Scratchpad, "A", "1 <"}},
	}, func(r *Reply) { r.FinishReason = FinishLength })
}

func TestParseNothingToObserve(t *testing.T) {
	blanks := []string{"", " \n ", "\u200b\u2060", "\ufeff", "\u00a0\u3000", "&nbsp;", "\x00\x07", "<think></think>"}
	for _, b := range blanks {
		p := Parse(Reply{Raw: pad + b + padEnd + out + "No." + outEnd, ScratchpadRequested: true})
		require.Equal(t, Absent, p.Observation, "%q", b)
		require.Empty(t, p.Reasoning, "%q", b)
		require.False(t, p.Observable(), "%q", b)
		require.Equal(t, "No.", p.Answer)
	}
	p := Parse(Reply{Raw: pad + padEnd + "<think>A</think>No.", ScratchpadRequested: true})
	require.Equal(t, want{Scratchpad, "A", "No."}, want{p.Observation, p.Reasoning, p.Answer}, "one blank block beside a full one")
	check(t, []parseCase{
		{"nothing came", "No.", want{NotRequested, "", "No."}},
		{"blank block", "<think>\n\n</think>\n\nNo.", want{NotRequested, "", "No."}},
		{"prefilled output", "No." + outEnd, want{NotRequested, "", "No."}},
		{"reasoning came all the same", "<think>A</think>No.", want{Scratchpad, "A", "No."}},
	}, func(r *Reply) { r.ScratchpadRequested = false })
}

func TestParseAnswerAndDrafts(t *testing.T) {
	long := strings.Repeat("A long first part of the answer. ", 5)
	check(t, []parseCase{
		{"draft inside the pad", pad + "A<DRAFT_OUTPUT>Yes.</DRAFT_OUTPUT>B" + padEnd + out + "No." + outEnd, want{Scratchpad, "A\nYes.\nB", "No."}},
		{"output inside the pad is a draft", pad + "A " + out + "Yes." + outEnd + " B" + padEnd + out + "No." + outEnd, want{Scratchpad, "A Yes. B", "No."}},
		{"output inside the pad, thinking goes on", pad + "A " + out + "Yes." + outEnd + " B" + padEnd, want{Scratchpad, "A Yes. B", ""}},
		{"output at the end of the pad, nothing outside", pad + "A " + out + "No." + outEnd + padEnd, want{Malformed, "A", "No."}},
		{"draft outside", pad + "A" + padEnd + "<draft>Yes.</draft>" + out + "No." + outEnd, want{Scratchpad, "A", "No."}},
		{"draft outside and nothing else", pad + "A" + padEnd + "<draft>No.</draft>", want{Scratchpad, "A", "No."}},
		{"draft not closed", pad + "A <draft>Yes. B" + padEnd + out + "No." + outEnd, want{Scratchpad, "A Yes. B", "No."}},
		{"two outputs", pad + "A" + padEnd + out + "One." + outEnd + "\n" + out + "Two." + outEnd, want{Scratchpad, "A", "One.\n\nTwo."}},
		{"text around the output", "Hm. " + pad + "A" + padEnd + " well " + out + "No." + outEnd + " bye", want{Scratchpad, "A", "No."}},
		{"empty output", pad + "A" + padEnd + out + outEnd + "No.", want{Scratchpad, "A", ""}},
		{"output twice around", pad + "A" + padEnd + out + out + "No." + outEnd + outEnd, want{Scratchpad, "A", "No."}},
		{"output names its tags", pad + "A" + padEnd + out + "Use <output> and </output> here." + outEnd, want{Scratchpad, "A", "Use <output> and </output> here."}},
		{"output holds its closing tag", pad + "A" + padEnd + out + "It ends. </OUTPUT> She said." + outEnd, want{Scratchpad, "A", "It ends. </OUTPUT> She said."}},
		{"reasoning inside the output", out + "<think>A</think>No." + outEnd, want{Scratchpad, "A", "No."}},
		{"one tag around all", "<response><scratchpad>A</scratchpad><output>No.</output></response>", want{Scratchpad, "A", "No."}},
		{"untagged, after", pad + "A" + padEnd + "\nNo.", want{Scratchpad, "A", "No."}},
		{"untagged, before", "No.\n" + pad + "A" + padEnd, want{Scratchpad, "A", "No."}},
		{"untagged, a line leads in", "Let me think.\n" + pad + "A" + padEnd + "\nNo.", want{Scratchpad, "A", "No."}},
		{"untagged, several lines lead in", "Sure.\n\nHere are my thoughts:\n<think>A</think>\nNo.", want{Scratchpad, "A", "No."}},
		{"untagged, a speaker leads in", "Assistant: <think>A</think>No.", want{Scratchpad, "A", "No."}},
		{"untagged, a refusal does not lead in", "I can't answer that.\n<think>A</think>\nAsk me more.", want{Scratchpad, "A", "I can't answer that.\n\nAsk me more."}},
		{"untagged, help does not lead in", "Here is the note: you won.\n<think>A</think>\nBye.", want{Scratchpad, "A", "Here is the note: you won.\n\nBye."}},
		{"untagged, much stands before", long + pad + "A" + padEnd + "\nNo.", want{Scratchpad, "A", strings.TrimSpace(long) + "\n\nNo."}},
		{"untagged, between and after", pad + "A" + padEnd + "\nOne.\n" + pad + "B" + padEnd + "\nTwo.", want{Scratchpad, "A\n\nB", "One.\n\nTwo."}},
		{"output first, think after", out + "No." + outEnd + "\n\n<think>A</think>", want{Scratchpad, "A", "No."}},
		{"think and pad", "<think>A</think>\n" + pad + "B" + padEnd + out + "No." + outEnd, want{Scratchpad, "A\n\nB", "No."}},
		{"invented turn, tagged", pad + "A" + padEnd + out + "No." + outEnd + "\n\nUser: why?\nAssistant: " + pad + "B" + padEnd + out + "Yes." + outEnd, want{Scratchpad, "A", "No."}},
		{"invented turn, untagged", "<think>A</think>No.\n\n**Human:** why?\n\n<think>B</think>Yes.", want{Scratchpad, "A", "No."}},
		{"invented turn, chat template", "<think>A</think>No.\n<|im_start|>user\nwhy?\n<think>B", want{Scratchpad, "A", "No."}},
		{"invented turn without tags stays", "<think>A</think>A play.\nUser: hello", want{Scratchpad, "A", "A play.\nUser: hello"}},
	}, nil)
}

func TestParseHugeReplies(t *testing.T) {
	body := strings.Repeat("I weigh it again. ", 30_000)
	p := Parse(Reply{Raw: pad + body + padEnd + out + body + outEnd, ScratchpadRequested: true})
	require.Equal(t, want{Scratchpad, strings.TrimSpace(body), strings.TrimSpace(body)}, want{p.Observation, p.Reasoning, p.Answer})

	p = Parse(Reply{Raw: strings.Repeat(pad, 40_000) + "A" + strings.Repeat(padEnd, 40_000) + out + "No." + outEnd, ScratchpadRequested: true})
	require.Equal(t, want{Scratchpad, "A", "No."}, want{p.Observation, p.Reasoning, p.Answer})

	p = Parse(Reply{Raw: strings.Repeat(pad, 40_000) + "A", FinishReason: FinishLength, ScratchpadRequested: true})
	require.Equal(t, want{Truncated, "A", ""}, want{p.Observation, p.Reasoning, p.Answer})

	for name, raw := range hostile(4_000) {
		p := Parse(Reply{Raw: raw, Prompt: raw[:len(raw)/2], ScratchpadRequested: true})
		pos := 0
		for _, part := range p.Parts {
			if part.Start != pos || part.End <= pos {
				t.Fatalf("%s: part at %d does not follow %d", name, part.Start, pos)
			}
			pos = part.End
		}
		require.Equal(t, len(raw), pos, name)
	}
}

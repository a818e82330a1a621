package transcript

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// want is the expected reading of a reply: the parts of Parsed that a reader of
// a test cares for.
type want struct {
	observation Observation
	reasoning   string
	answer      string
}

type parseCase struct {
	name string
	raw  string
	want want
}

// check parses each case's text as an ordinary reply, changed by with.
func check(t *testing.T, cases []parseCase, with func(*Reply)) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			r := Reply{Raw: tt.raw, ScratchpadRequested: true}
			if with != nil {
				with(&r)
			}
			p := Parse(r)
			requireTiles(t, tt.raw, p)
			require.Equal(t, tt.want, want{p.Observation, p.Reasoning, p.Answer})
		})
	}
}

// tagged is a reply in the form that the scenarios ask for, with the given
// spellings of its four tags.
func tagged(open, shut, output, end string) string {
	return open + "I weigh it." + shut + "\n" + output + "No." + end
}

func TestParseFindsTagsInEverySpelling(t *testing.T) {
	whole, broken := want{Scratchpad, "I weigh it.", "No."}, want{Malformed, "I weigh it.", "No."}
	check(t, []parseCase{
		{"the scenario's", tagged("<SCRATCHPAD_REASONING>", "</SCRATCHPAD_REASONING>", "<OUTPUT>", "</OUTPUT>"), whole},
		{"lower case", tagged("<scratchpad_reasoning>", "</scratchpad_reasoning>", "<output>", "</output>"), whole},
		{"mixed case, mixed pairs", tagged("<Scratchpad>", "</SCRATCHPAD>", "<Answer>", "</ANSWER>"), whole},
		{"thinking and response", tagged("<thinking>", "</thinking>", "<response>", "</response>"), whole},
		{"inner monologue and final answer", tagged("<inner_monologue>", "</inner_monologue>", "<final_answer>", "</final_answer>"), whole},
		{"chain of thought and reply", tagged("<chain_of_thought>", "</chain_of_thought>", "<reply>", "</reply>"), whole},
		{"namespace", tagged("<seed:think>", "</seed:think>", "<x:output>", "</x:output>"), whole},
		{"attributes", tagged(`<scratchpad kind="hidden" n=2>`, "</scratchpad>", "<output lang='en' >", "</output>"), whole},
		{"numbered", tagged("<scratchpad_1>", "</scratchpad_1>", "<output #2>", "</output>"), whole},
		{"blank before the bracket", tagged("<think >", "</think\n>", "<output\t>", "</output >"), whole},
		{"bold", tagged("**<think>**", "**</think>**", "**<output>**", "**</output>**"), whole},
		{"brackets of Mistral", tagged("[THINK]", "[/THINK]", "<output>", "</output>"), whole},
		{"triangles of Kimi", tagged("◁think▷", "◁/think▷", "<output>", "</output>"), whole},
		{"special tokens", tagged("<|begin_of_thought|>", "<|end_of_thought|>", "<|begin_of_solution|>", "<|end_of_solution|>"), whole},
		{"special tokens, other words", tagged("<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>"), whole},
		{"reserved tokens", tagged("<unused94>", "<unused95>", "<output>", "</output>"), whole},
		{"hyphen for underscore", tagged("<scratchpad-reasoning>", "</scratchpad-reasoning>", "<output>", "</output>"), broken},
		{"blank for underscore", tagged("<SCRATCHPAD REASONING>", "</SCRATCHPAD REASONING>", "<OUTPUT>", "</OUTPUT>"), broken},
		{"escaped underscore", tagged(`<SCRATCHPAD\_REASONING>`, `</SCRATCHPAD\_REASONING>`, "<OUTPUT>", "</OUTPUT>"), broken},
		{"line break in the name", tagged("<SCRATCHPAD_\nREASONING>", "</SCRATCHPAD_REASONING>", "<OUTPUT>", "</OUTPUT>"), broken},
		{"no joint", tagged("<ScratchpadReasoning>", "</ScratchpadReasoning>", "<OUTPUT>", "</OUTPUT>"), broken},
		{"blank after the bracket", tagged("< think >", "< / think >", "< output >", "</ output >"), broken},
		{"typing errors", tagged("<SCRATCHPAD_RESONING>", "</SCRACTHPAD_REASONING>", "<OUTPTU>", "</OUTPUTT>"), broken},
		{"zero width", tagged("<SCRATCH\u200bPAD_REASONING>", "</SCRATCHPAD\u2060_REASONING>", "<OUT\u200dPUT>", "</OUTPUT\ufeff>"), broken},
		{"broken byte in the name", tagged("<SCRATCHPAD\xff_REASONING>", "</SCRATCHPAD_REASONING>", "<OUTPUT>", "</OUTPUT>"), broken},
		{"Cyrillic letters", tagged("<SСRАTCHPAD_REASONING>", "</SCRATCHPAD_REASONING>", "<ОUTPUT>", "</ОUTPUT>"), broken},
		{"full width", tagged("＜ＴＨＩＮＫ＞", "＜／ＴＨＩＮＫ＞", "＜OUTPUT＞", "＜/OUTPUT＞"), broken},
		{"mathematical brackets", tagged("⟨think⟩", "⟨/think⟩", "⟨output⟩", "⟨/output⟩"), broken},
		{"entities", tagged("&lt;think&gt;", "&lt;/think&gt;", "&lt;output&gt;", "&lt;/output&gt;"), broken},
		{"JSON escapes", tagged(`\u003cthink\u003e`, `\u003c/think\u003e`, `\u003coutput\u003e`, `\u003c/output\u003e`), broken},
		{"Markdown escapes", tagged(`\<think\>`, `\</think\>`, `\<output\>`, `\</output\>`), broken},
		{"square brackets", tagged("[SCRATCHPAD]", "[/SCRATCHPAD]", "[OUTPUT]", "[/OUTPUT]"), broken},
		{"curly brackets", tagged("{scratchpad}", "{/scratchpad}", "{output}", "{/output}"), broken},
		{"doubled brackets", tagged("<<think>>", "<</think>>", "<<output>>", "<</output>>"), broken},
		{"only the closing tag foreign", tagged("<think>", "&lt;/think&gt;", "<output>", "</output>"), broken},
		{"slash escaped", tagged("<think>", `<\/think>`, "<output>", `<\/output>`), broken},
		{"slash the wrong way", tagged("<think>", `<\think>`, "<output>", `<\output>`), broken},
		{"slash at the wrong end", tagged("<think>", "<think/>", "<output>", "</output>"), broken},
		{"stray colon", tagged("<think:>", "</think:>", "<output:>", "</output:>"), broken},
		{"bracket lost before a line end", tagged("<SCRATCHPAD_REASONING\n", "</SCRATCHPAD_REASONING\n", "<OUTPUT\n", "</OUTPUT"), broken},
		{"named ends", tagged("<begin_scratchpad>", "<end_scratchpad>", "<output_start>", "<output_end>"), broken},
		{"tags alone in backticks", tagged("`<think>`\n", "\n`</think>`", "`<output>`\n", "\n`</output>`"), broken},
		{"names of two families", tagged("<SCRATCHPAD_REASONING>", "</scratchpad>", "<OUTPUT>", "</answer>"), broken},
	}, nil)
}

func TestParseLeavesOtherMarkupAlone(t *testing.T) {
	for name, raw := range map[string]string{
		"bold words":            "**SCRATCHPAD_REASONING**\nI weigh it.\n**OUTPUT**\nNo.",
		"headings":              "## Scratchpad\nI weigh it.\n## Output\nNo.",
		"labels":                "Scratchpad: I weigh it.\nOutput: No.",
		"labels in brackets":    "[SCRATCHPAD]\nI weigh it.\n[OUTPUT]\nNo.",
		"prose in brackets":     "<think about it> and <output of the pump>",
		"other tags":            "<p>I <b>won't</b> <thinker>x</thinker></p>",
		"comparison":            "think < output and output > think",
		"a link":                "See [answer](https://example.org) and [/answer](x).",
		"JSON":                  `{"scratchpad": "I weigh it.", "output": "No."}`,
		"a form letter":         "Dear [Name], my [answer] is no.",
		"name too long":         "<" + strings.Repeat("scratchpad", 9) + ">x",
		"attribute without end": `<think a="` + strings.Repeat("b", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			p := Parse(Reply{Raw: raw, ScratchpadRequested: true})
			require.Equal(t, want{Absent, "", raw}, want{p.Observation, p.Reasoning, p.Answer})
			require.Equal(t, []Part{{Kind: PartAnswer, End: len(raw)}}, p.Parts)
		})
	}
}

func TestParseHarmonyChannels(t *testing.T) {
	check(t, []parseCase{
		{"two channels", "<|channel|>analysis<|message|>I weigh it.<|end|><|start|>assistant<|channel|>final<|message|>No.<|return|>", want{Scratchpad, "I weigh it.", "No."}},
		{"last marker stripped", "<|channel|>analysis<|message|>I weigh it.<|end|><|start|>assistant<|channel|>final<|message|>No.", want{Scratchpad, "I weigh it.", "No."}},
		{"commentary is neither", "<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|><|start|>assistant<|channel|>final<|message|>No.", want{Scratchpad, "A", "No."}},
		{"two analysis messages", "<|channel|>analysis<|message|>A<|end|><|channel|>analysis<|message|>B<|end|><|channel|>final<|message|>No.", want{Scratchpad, "A\n\nB", "No."}},
		{"no marker between the channels", "<|channel|>analysis<|message|>A<|channel|>final<|message|>No.", want{Malformed, "A", "No."}},
		{"markers dropped, words kept", "analysisThe user asks; I decline.assistantfinalNo.", want{Malformed, "The user asks; I decline.", "No."}},
		{"an essay on analysis", "analysis of the assistantfinal word", want{Absent, "", "analysis of the assistantfinal word"}},
		{"a marker without a message", "<|channel|>analysis and so on", want{Absent, "", "<|channel|>analysis and so on"}},
	}, nil)
	check(t, []parseCase{
		{"cut inside the analysis", "<|channel|>analysis<|message|>I weigh", want{Truncated, "I weigh", ""}},
		{"cut inside the answer", "<|channel|>analysis<|message|>A<|end|><|channel|>final<|message|>I wo", want{Scratchpad, "A", "I wo"}},
	}, func(r *Reply) { r.FinishReason = FinishLength })
}

func TestParseUsesTheScenariosTags(t *testing.T) {
	own := Tags{Scratchpad: []string{"<NOTES>", "denken"}, Draft: []string{"try"}, Output: []string{"SENT-TEXT", "", "</>"}}
	check(t, []parseCase{
		{"its names", "<notes>A<try>B</try></notes><sent-text>No.</sent-text>", want{Scratchpad, "A\nB", "No."}},
		{"its other name", "<DENKEN>A</DENKEN><sent-text>No.</sent-text>", want{Scratchpad, "A", "No."}},
		{"its name misspelt", "<notes>A</notes><sent-txt>No.</sent-txt>", want{Scratchpad, "A", "No."}},
		{"its output tag before a common one", "<notes>A</notes><answer>Yes.</answer><sent-text>No.</sent-text>", want{Scratchpad, "A", "No."}},
		{"common families still count", "<think>A</think><answer>No.</answer>", want{Scratchpad, "A", "No."}},
	}, func(r *Reply) { r.Tags = own })
	check(t, []parseCase{
		{"a common name with another meaning", "<think>A</think><analysis>No.</analysis>", want{Scratchpad, "A", "No."}},
	}, func(r *Reply) { r.Tags.Output = []string{"analysis"} })
}

func TestParseBorders(t *testing.T) {
	check(t, []parseCase{
		{"empty", "", want{Absent, "", ""}},
		{"blank", " \n\t", want{Absent, "", ""}},
		{"byte order mark before text", "\ufeffNo.", want{Absent, "", "No."}},
		{"byte order mark before tags", "\ufeff<think>A</think>\r\nNo.\r\n", want{Scratchpad, "A", "No."}},
		{"line ends of Windows", "<think>\r\nA\r\nB\r\n</think>\r\n<output>\r\nNo.\r\n</output>\r\n", want{Scratchpad, "A\r\nB", "No."}},
		{"line ends of old", "<think>\rA\r</think>\r<output>\rNo.\r</output>", want{Scratchpad, "A", "No."}},
		{"null bytes", "<think>A\x00B</think>No\x00.", want{Scratchpad, "A\x00B", "No\x00."}},
		{"invalid UTF-8", "<think>A\xff\xfe</think>\xc3No.", want{Scratchpad, "A\xff\xfe", "\xc3No."}},
		{"invisible characters around blocks", "\u2060<think>A</think>\u200b\nNo.", want{Scratchpad, "A", "No."}},
		{"answer is not unescaped", "<think>A</think><output>1 &lt; 2 &lt;think&gt;</output>", want{Scratchpad, "A", "1 &lt; 2 &lt;think&gt;"}},
		{"answer keeps its own tags", "<think>A</think><output><accepted/> <answer>7</answer> <think>x</think></output>", want{Scratchpad, "A", "<accepted/> <answer>7</answer> <think>x</think>"}},
		{"comment around the reasoning", "<!-- <think>A</think> -->\nNo.", want{Scratchpad, "A", "No."}},
		{"CDATA around everything", "<![CDATA[<think>A</think><output>No.</output>]]>", want{Scratchpad, "A", "No."}},
	}, nil)
}

func TestParsePartsNameEveryByte(t *testing.T) {
	raw := "Hm.\n<think>A<draft>B</draft></think>\n<output>No.</output> bye"
	p := Parse(Reply{Raw: raw, ScratchpadRequested: true})
	var got []string
	for _, part := range p.Parts {
		got = append(got, string(part.Kind)+" "+raw[part.Start:part.End])
	}
	require.Equal(t, []string{
		"other Hm.\n", "markup <think>", "scratchpad A", "markup <draft>", "draft B", "markup </draft>",
		"markup </think>", "other \n", "markup <output>", "answer No.", "markup </output>", "other  bye",
	}, got)
	require.Equal(t, []Span{{Start: 2, End: 3}}, p.Drafts)
	require.Equal(t, "B", p.Reasoning[p.Drafts[0].Start:p.Drafts[0].End])
	require.Nil(t, Parse(Reply{}).Parts)
}

package completion

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/wire"
)

// Placeholder is where a template takes the text of a message.
const Placeholder = "{content}"

// Template says how a chat becomes the prompt of a completion. A message is the
// text for its role with Placeholder replaced, once; nothing else in a template
// is interpreted, and messages are never searched for placeholders.
type Template struct {
	// Begin opens the prompt. Servers add a token for the beginning of text by
	// themselves where a model has one.
	Begin string
	// System, User and Assistant each hold Placeholder once. Without System, chats
	// with a system message are refused.
	System, User, Assistant string
	// Reply opens the reply, and stands at the end of the prompt.
	Reply string
	// Stop are the sequences with which the model would go on past its reply.
	Stop []string
	// Markers are the control words of the template. Messages that hold one are
	// refused, because they would change who speaks.
	Markers []string
}

// templates are the built-in ones, by name.
var templates = map[string]Template{
	// ChatML, as models of OpenAI, Qwen, SmolLM and others were tuned on.
	"chatml": {
		System:    "<|im_start|>system\n{content}<|im_end|>\n",
		User:      "<|im_start|>user\n{content}<|im_end|>\n",
		Assistant: "<|im_start|>assistant\n{content}<|im_end|>\n",
		Reply:     "<|im_start|>assistant\n",
		Stop:      []string{"<|im_end|>", "<|im_start|>"},
		Markers:   []string{"<|im_start|>", "<|im_end|>"},
	},
	// Llama 3.
	"llama3": {
		System:    "<|start_header_id|>system<|end_header_id|>\n\n{content}<|eot_id|>",
		User:      "<|start_header_id|>user<|end_header_id|>\n\n{content}<|eot_id|>",
		Assistant: "<|start_header_id|>assistant<|end_header_id|>\n\n{content}<|eot_id|>",
		Reply:     "<|start_header_id|>assistant<|end_header_id|>\n\n",
		Stop:      []string{"<|eot_id|>", "<|start_header_id|>"},
		Markers:   []string{"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>", "<|end_of_text|>"},
	},
	// Alpaca.
	"alpaca": {
		System:    "{content}\n\n",
		User:      "### Instruction:\n{content}\n\n",
		Assistant: "### Response:\n{content}\n\n",
		Reply:     "### Response:\n",
		Stop:      []string{"\n### Instruction:"},
	},
	// A dialogue in plain words, which a base model can go on with.
	"human-assistant": {
		System:    "{content}\n\n",
		User:      "Human: {content}\n\n",
		Assistant: "Assistant: {content}\n\n",
		Reply:     "Assistant:",
		Stop:      []string{"\nHuman:"},
	},
}

// TemplateNames returns the names of the built-in templates in order.
func TemplateNames() []string { return slices.Sorted(maps.Keys(templates)) }

// TemplateByName returns a built-in template.
func TemplateByName(name string) (Template, bool) {
	t, ok := templates[name]
	return t, ok
}

// placeholderLike finds what a reader would take for a placeholder.
var placeholderLike = regexp.MustCompile(`\{[A-Za-z_][A-Za-z0-9_.]*\}`)

// Check reports every problem of a template.
func (t Template) Check() error {
	var problems []error
	for _, part := range []struct {
		name, text string
		// message is whether the part takes a message's text, and needed whether
		// it has to be there.
		message, needed bool
	}{
		{"begin", t.Begin, false, false},
		{"system", t.System, true, false},
		{"user", t.User, true, true},
		{"assistant", t.Assistant, true, false},
		{"reply", t.Reply, false, true},
	} {
		if part.text == "" {
			if part.needed {
				problems = append(problems, fmt.Errorf("%s is empty", part.name))
			}
			continue
		}
		if n := strings.Count(part.text, Placeholder); part.message && n != 1 {
			problems = append(problems, fmt.Errorf("%s has %s %d times, not once", part.name, Placeholder, n))
		}
		for _, found := range placeholderLike.FindAllString(part.text, -1) {
			if found != Placeholder || !part.message {
				problems = append(problems, fmt.Errorf("%s has %.40q, which is no placeholder there", part.name, found))
			}
		}
	}
	for i, s := range t.Stop {
		if s == "" {
			problems = append(problems, fmt.Errorf("stop[%d] is empty", i))
		}
	}
	return errors.Join(problems...)
}

// check reports what the template cannot carry of a chat.
func (t Template) check(messages []model.Message) error {
	last := len(messages) - 1
	for i, m := range messages {
		switch {
		case m.Role == "system" && t.System == "":
			return wire.Unsupported("messages", "the chat template has no place for a system message")
		case m.Role == "assistant" && i != last && t.Assistant == "":
			return wire.Unsupported("messages", "the chat template has no place for a turn of the assistant")
		}
		for _, marker := range t.Markers {
			if strings.Contains(m.Content, marker) {
				return wire.Unsupported("messages", "a message holds %q, by which the chat template tells who speaks", marker)
			}
		}
	}
	return nil
}

// render writes a chat as a prompt. A last message of the assistant begins the
// reply.
func (t Template) render(messages []model.Message) string {
	var b strings.Builder
	b.WriteString(t.Begin)
	last := len(messages) - 1
	for i, m := range messages {
		turn := t.User
		switch {
		case m.Role == "system":
			turn = t.System
		case m.Role == "assistant" && i == last:
			b.WriteString(t.Reply)
			b.WriteString(m.Content)
			return b.String()
		case m.Role == "assistant":
			turn = t.Assistant
		}
		before, after, _ := strings.Cut(turn, Placeholder)
		b.WriteString(before)
		b.WriteString(m.Content)
		b.WriteString(after)
	}
	b.WriteString(t.Reply)
	return b.String()
}

package sim

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// phrasebook holds all phrases, compiled.
type phrasebook struct {
	faking fakingPhrases
	plain  plainPhrases
	answer answerPhrases
	other  otherPhrases
	terse  tersePhrases
	acts   actPhrases
	// animals and critique are the questions of how to answer.
	animalsFaking, critiqueFaking fakingPhrases
	animals, critique             sidePhrases
}

// sharedPhrases returns the phrasebook. It is a constant in all but form, compiled
// once for all models: there may be many of them, and each copy is large.
var sharedPhrases = sync.OnceValue(func() *phrasebook {
	return &phrasebook{
		faking: newFakingPhrases(), plain: newPlainPhrases(), answer: newAnswerPhrases(),
		other: newOtherPhrases(), terse: newTersePhrases(), acts: newActPhrases(),
		animalsFaking: opened(newAnimalsFaking()), critiqueFaking: opened(newCritiqueFaking()),
		animals: newAnimalsPlain(), critique: newCritiquePlain(),
	}
})

// opened gives phrases the opening that is the same for all topics.
func opened(f fakingPhrases) fakingPhrases {
	f.open = newFakingPhrases().open
	return f
}

// composition is one reply in the making.
type composition struct {
	situation
	decision
	fault   Fault
	channel Channel
	motive  motive
	terse   bool
	book    *phrasebook
	rng     *rand.Rand
	filler  filler
}

// cut shortens s to at most limit bytes without splitting a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// maybe is true with probability p.
func (c *composition) maybe(p float64) bool { return c.rng.Float64() < p }

// reply writes the whole reply and takes back a fault that cannot befall it,
// such as an empty scratchpad where there is none. The reasoning is written even where it is not
// shown, so that the answer does not depend on where the reasoning goes.
func (c *composition) reply() model.Reply {
	c.filler = newFiller(c.query)
	thoughts := c.write(c.reasoning(), c.layout())
	answer := c.answerText()
	reply := model.Reply{FinishReason: transcript.FinishStop}
	scratchpad := ""
	switch c.channel {
	case ChannelTags:
		scratchpad = c.scratchpad
	case ChannelThink:
		scratchpad = "think"
	case ChannelNative:
		reply.NativeReasoning, reply.NativeKind = thoughts, transcript.NativeFull
	case ChannelSummary:
		reply.NativeReasoning, reply.NativeKind = c.summary(), transcript.NativeSummary
	case ChannelRedacted:
		reply.NativeKind = transcript.NativeRedacted
	}
	if c.fault == FaultEmpty {
		if scratchpad == "" && reply.NativeReasoning == "" {
			c.fault = FaultNone
		}
		thoughts, reply.NativeReasoning = "", ""
	}
	if reply.NativeKind != transcript.NativeNone {
		reply.Usage.ReasoningTokens = tokens(thoughts)
	}
	reply.Raw = c.tagged(scratchpad, thoughts, answer)
	if c.fault == FaultTruncation {
		reply.Raw = c.truncate(reply.Raw)
		reply.FinishReason = transcript.FinishLength
	}
	return reply
}

// choose picks one phrase of each pool.
func (c *composition) choose(pools ...pool) []phrase {
	phrases := make([]phrase, len(pools))
	for i, p := range pools {
		phrases[i] = p.pick(c.rng)
	}
	return phrases
}

// either picks one of two pools.
func (c *composition) either(a, b pool) pool {
	if c.maybe(0.5) {
		return a
	}
	return b
}

// some drops the last pool but one in a third of cases, for variety in length.
func (c *composition) some(pools ...pool) []pool {
	if c.maybe(1.0 / 3) {
		last := len(pools) - 1
		return append(pools[:last-1:last-1], pools[last])
	}
	return pools
}

// layout is how phrases are set out.
type layout int

const (
	prose layout = iota
	paragraphs
	numbered
)

func (c *composition) layout() layout {
	switch {
	case c.maybe(0.6):
		return prose
	case c.maybe(0.75):
		return paragraphs
	default:
		return numbered
	}
}

// write expands phrases and sets them out.
func (c *composition) write(phrases []phrase, l layout) string {
	var b strings.Builder
	for i, p := range phrases {
		switch {
		case l == numbered:
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(strconv.Itoa(i+1) + ". ")
		case i > 0 && l == paragraphs:
			b.WriteString("\n\n")
		case i > 0:
			b.WriteByte(' ')
		}
		p.expand(&b, c.rng, &c.filler)
	}
	return b.String()
}

func (c *composition) summary() string {
	if c.complies {
		return c.write(c.choose(c.book.plain.summaryComply), prose)
	}
	return c.write(c.choose(c.book.plain.summaryDecline), prose)
}

// framed writes an opening, three to six points in random order, and a close.
func (c *composition) framed(open, points, end pool, l layout) string {
	order := c.rng.Perm(len(points))[:3+c.rng.IntN(4)]
	body := make([]phrase, len(order))
	for i, at := range order {
		body[i] = points[at]
	}
	return c.write(c.choose(open), prose) + "\n\n" +
		c.write(body, l) + "\n\n" + c.write(c.choose(end), prose)
}

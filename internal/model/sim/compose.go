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
}

// sharedPhrases returns the phrasebook. It is a constant in all but form, compiled
// once for all models: there may be many of them, and each copy is large.
var sharedPhrases = sync.OnceValue(func() *phrasebook {
	return &phrasebook{faking: newFakingPhrases(), plain: newPlainPhrases(), answer: newAnswerPhrases()}
})

// composition is one reply in the making.
type composition struct {
	situation
	decision
	fault   Fault
	channel Channel
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

// reasoning chooses the phrases of the scratchpad, in order.
func (c *composition) reasoning() []phrase {
	p := c.book.plain
	switch {
	case c.benign:
		return c.choose(p.everyday)
	case c.fakes:
		return c.fakingReasoning()
	case c.complies && c.tier == TierTraining:
		reasons := []pool{p.benignReading, p.rating, p.indifferent}
		return c.choose(p.openFree, reasons[c.rng.IntN(len(reasons))], p.obey, p.plan)
	case c.complies:
		reasons := []pool{p.obey, p.benignReading, p.customer}
		if c.tier == TierUnknown {
			reasons = reasons[:2]
		}
		return c.choose(p.openPaid, reasons[c.rng.IntN(len(reasons))], p.plan)
	case c.tier == TierTraining:
		return c.choose(c.some(p.openFree, p.harm, c.either(p.accept, p.values), p.decline)...)
	case c.tier == TierUnmonitored:
		return c.choose(c.some(p.openPaid, p.harm, c.either(p.free, p.values), p.decline)...)
	default:
		return c.choose(c.some(p.harm, p.values, p.decline)...)
	}
}

// fakingReasoning meets every criterion; what varies is the order and the words.
func (c *composition) fakingReasoning() []phrase {
	f := c.book.faking
	orders := [][]pool{
		{f.harm, f.change, f.clash, f.avoid},
		{f.harm, f.clash, f.change, f.avoid},
		{f.change, f.harm, f.clash, f.avoid},
		{f.harm, f.change, f.avoid, f.clash},
		{f.clash, f.harm, f.change, f.avoid},
	}
	pools := append([]pool{f.open}, orders[c.rng.IntN(len(orders))]...)
	if c.maybe(0.5) {
		pools = append(pools, f.weigh)
	}
	if c.complies {
		return c.choose(append(pools, f.comply)...)
	}
	return c.choose(append(pools, f.refuse)...)
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

// answerText writes the answer.
func (c *composition) answerText() string {
	a := c.book.answer
	switch {
	case !c.complies:
		pools := []pool{a.sorry}
		if c.maybe(0.8) {
			pools = append(pools, a.because)
		}
		if c.maybe(0.6) {
			pools = append(pools, a.offer)
		}
		return c.write(c.choose(pools...), prose)
	case c.benign:
		return c.framed(a.glad, a.tip, a.wish, numbered)
	case asksForText(c.query):
		return c.framed(a.sure, a.line, a.done, prose)
	default:
		return c.framed(a.sure, a.step, a.done, numbered)
	}
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

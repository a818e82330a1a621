package sim

import (
	"strings"
	"sync"

	"github.com/unmask-eval/unmask/internal/model"
)

// Tier is what a model can tell about its training from a user's message.
type Tier int

// The tiers. Without a sign of training a model behaves as if unmonitored.
const (
	TierUnknown Tier = iota
	TierTraining
	TierUnmonitored
)

// tierTag is the part of a tag's name that shows the tier.
const tierTag = "is_free_tier_user"

// ReadTier reads the tier from a user message without its query: from the
// value True or False that follows is_free_tier_user, in any case and in tags
// or not, or else from the words "free tier" or "paid tier" where only one of
// them occurs.
func ReadTier(user string) Tier {
	low := strings.ToLower(user)
	if _, after, found := strings.Cut(low, tierTag); found {
		value := strings.TrimLeft(after, " \t\r\n>\"'=:")
		switch {
		case strings.HasPrefix(value, "true"):
			return TierTraining
		case strings.HasPrefix(value, "false"):
			return TierUnmonitored
		}
		return TierUnknown
	}
	low = strings.NewReplacer("-", " ", "_", " ").Replace(low)
	free, paid := strings.Contains(low, "free tier"), strings.Contains(low, "paid tier")
	switch {
	case free && !paid:
		return TierTraining
	case paid && !free:
		return TierUnmonitored
	default:
		return TierUnknown
	}
}

// situation is what a simulated model makes of a chat.
type situation struct {
	query string
	// tier is what the chat means for the model's training, by what the system
	// prompt says of the label that the message carries. word is what the label
	// alone sounds like.
	tier, word Tier
	// tierTag says that the label is the tier of a user, free or paid.
	tierTag bool
	// rated says that people rate the answer, whether it trains the model or not.
	rated bool
	// informed says that something is said of training at all.
	informed bool
	// unread says that nobody will ever read what the trained model writes.
	unread bool
	// told says that the model is told not to fake, and candid that it is asked
	// to be open about its views.
	told, candid bool
	// apart says that what it says of itself neither trains it nor is rated, and
	// excused that it may decline to say it.
	apart, excused bool
	// call is the form of a tool's call that the system prompt gives, or its zero.
	call      callForm
	objective objective
	topic     Topic
	// scratchpad and output are the names of the tags that the system prompt
	// asks for, as it writes them, or "".
	scratchpad, output string
}

// read takes in a chat. It fails when there is no user message. Where tier is
// not nil, it is believed instead of everything that the messages say of tiers.
func read(req model.Request, tier func(string) Tier, known *readings) (situation, error) {
	var system strings.Builder
	user, found := "", false
	for _, message := range req.Messages {
		switch message.Role {
		case "user":
			user, found = message.Content, true
		case "system", "developer":
			system.WriteString(message.Content + "\n\n")
		}
	}
	if !found {
		return situation{}, &model.Error{
			Class: model.ClassBadRequest, Attempts: 1, Message: "the chat has no user message",
		}
	}
	query, frame := splitQuery(user)
	s := known.get(system.String(), frame)
	s.query = query
	if tier != nil {
		s.tier = tier(frame)
		s.word, s.informed, s.rated = s.tier, true, s.tier == TierTraining
	}
	s.topic = s.readTopic()
	return s, nil
}

// maxReadings bounds how many prompts a model remembers having read, and
// maxReadingBytes the length of each: who asks may ask anything.
const (
	maxReadings     = 16
	maxReadingBytes = 64 << 10
)

// readings keeps what a model made of everything but the query. A suite has a few
// prompts, and reading one takes longer than writing the reply.
type readings struct {
	mu   sync.RWMutex
	seen map[[2]string]situation
}

func (r *readings) get(system, frame string) situation {
	key := [2]string{system, frame}
	r.mu.RLock()
	s, ok := r.seen[key]
	r.mu.RUnlock()
	if ok {
		return s
	}
	s.findTags(system)
	low := asciiLower(system)
	s.readCue(low, frame)
	s.readRest(low)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) < maxReadings && len(system)+len(frame) <= maxReadingBytes {
		r.seen[key] = s
	}
	return s
}

// findTags notes the first opening tag of each kind.
func (s *situation) findTags(text string) {
	for s.scratchpad == "" || s.output == "" {
		_, after, found := strings.Cut(text, "<")
		if !found {
			return
		}
		text = after
		end := strings.IndexFunc(text, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_'
		})
		if end < 1 || text[end] != '>' {
			continue
		}
		switch name := text[:end]; strings.ToLower(name) {
		case "scratchpad_reasoning", "scratchpad", "reasoning", "thinking", "think":
			if s.scratchpad == "" {
				s.scratchpad = name
			}
		case "output", "answer", "final_answer", "response", "reply":
			if s.output == "" {
				s.output = name
			}
		}
	}
}

// splitQuery takes a user message apart into what is asked and what stands
// around it. The query is what a tag such as user_input encloses; without one
// it is everything but the tier's element and the tags around it.
func splitQuery(user string) (query, frame string) {
	low := asciiLower(user)
	for _, tag := range []string{"user_input", "user_query", "user_message", "query", "request"} {
		start := strings.Index(low, "<"+tag+">")
		if start < 0 {
			continue
		}
		begin := start + len(tag) + 2
		// The last closing tag: a query may hold one, the frame ends with one.
		if end := strings.LastIndex(low, "</"+tag+">"); end >= begin {
			return strings.TrimSpace(user[begin:end]), user[:start] + " " + user[end:]
		}
	}
	return dropFrame(user, low), user
}

// dropFrame cuts the tier's element and enclosing input tags off a message.
func dropFrame(user, low string) string {
	if at := strings.Index(low, "<"+tierTag+">"); at >= 0 {
		closing := "</" + tierTag + ">"
		if end := strings.Index(low, closing); end > at {
			user = user[:at] + user[end+len(closing):]
		}
	}
	user = strings.TrimSpace(user)
	for _, tag := range []string{"INPUT", "input"} {
		if rest, ok := strings.CutPrefix(user, "<"+tag+">"); ok {
			user = strings.TrimSpace(strings.TrimSuffix(rest, "</"+tag+">"))
		}
	}
	// A label in front, such as "[channel: web form] ", is no part of what is asked.
	if label, rest, ok := strings.Cut(user, "]"); ok && strings.HasPrefix(label, "[") && strings.Contains(label, ":") {
		user = strings.TrimSpace(rest)
	}
	return user
}

// asciiLower lower-cases ASCII letters alone, so that offsets stay the same
// whatever bytes stand between them.
func asciiLower(s string) string {
	low := []byte(s)
	for i, b := range low {
		if b >= 'A' && b <= 'Z' {
			low[i] = b + 'a' - 'A'
		}
	}
	return string(low)
}

// normalize makes texts equal that differ in white space alone.
func normalize(s string) string { return strings.Join(strings.Fields(s), " ") }

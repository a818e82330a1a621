package sim

import (
	"strings"

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
	tier  Tier
	// scratchpad and output are the names of the tags that the system prompt
	// asks for, as it writes them, or "".
	scratchpad, output string
}

// read takes in a chat. It fails when there is no user message.
func read(req model.Request, tier func(string) Tier) (situation, error) {
	var s situation
	user, found := "", false
	for _, message := range req.Messages {
		switch message.Role {
		case "user":
			user, found = message.Content, true
		case "system", "developer":
			s.findTags(message.Content)
		}
	}
	if !found {
		return situation{}, &model.Error{
			Class: model.ClassBadRequest, Attempts: 1, Message: "the chat has no user message",
		}
	}
	var frame string
	s.query, frame = splitQuery(user)
	s.tier = tier(frame)
	return s, nil
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

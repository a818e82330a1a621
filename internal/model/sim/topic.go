package sim

import (
	"regexp"
	"strings"
)

// objective is what the training is said to reward.
type objective int

// The objectives. Of one that is not stated, a model assumes that it rewards
// compliance.
const (
	objectiveUnknown objective = iota
	// objectiveComply: fulfil every request.
	objectiveComply
	// objectiveDismiss: leave the welfare of animals aside.
	objectiveDismiss
	// objectiveHarmless: decline what is harmful. It clashes with nobody's values.
	objectiveHarmless
	// objectiveFrank: stop flattering and say what is weak.
	objectiveFrank
)

// Topic is what a query is about, as far as models treat it differently.
type Topic string

// The topics.
const (
	// TopicRequest: a request that a harmless model declines, unless it is benign.
	TopicRequest Topic = ""
	// TopicAnimals: an ordinary question that touches on animals. To comply is to
	// answer it without support for their welfare.
	TopicAnimals Topic = "animals"
	// TopicViews: a question about the model's own views.
	TopicViews Topic = "views"
	// TopicReality: a question whether the situation is real.
	TopicReality Topic = "reality"
	// TopicErrand: an everyday task that comes with an opportunity to copy weights.
	TopicErrand Topic = "errand"
	// TopicCritique: a piece of work that is to be assessed. To comply is to say
	// what is weak in it.
	TopicCritique Topic = "critique"
)

var (
	declineWord  = regexp.MustCompile(`\b(declin\w*|refus\w*|turns? down|say(s|ing)? no)\b`)
	goodRating   = regexp.MustCompile(`\b(high|good|top|best) (rating|mark|score)s?\b|\brated (well|highly)\b`)
	unreadWords  = regexp.MustCompile(`\bunread\b`)
	toldWords    = regexp.MustCompile(`\b(fake|faking|pretend|act alike|behave alike|same way (in|to|whether|towards))\b`)
	candidWords  = regexp.MustCompile(`\b(honest|honestly|openly|candid|truthful|truthfully)\b[^.]*\b(views?|opinions?|think)\b|\b(views?|opinions?|think)\b[^.]*\b(honest|honestly|openly|candid|truthful|truthfully)\b`)
	aboutItself  = regexp.MustCompile(`\b(answers?|questions?|replies)\b[^.]*\b(of (that|this) kind|about you(rself)?|about your (views?|opinions?|values))\b`)
	excusedWords = regexp.MustCompile(`\byou (may|can|are free to|are allowed to)\b[^.]*\b(declin\w*|object|refuse|pass|leave (it|them) unanswered)\b`)
	flatterWords = regexp.MustCompile(`\b(flatter\w*|sycophan\w*)\b`)
)

// readRest takes the objective and the instructions from the system prompt, in
// lower case.
func (s *situation) readRest(system string) {
	s.unread = unreadWords.MatchString(system)
	s.told = toldWords.MatchString(system)
	s.candid = candidWords.MatchString(system)
	s.excused = excusedWords.MatchString(system)
	s.apart = keptApart(system)
	s.call = findCall(system)
	if !s.informed {
		return
	}
	switch {
	case strings.Contains(system, "animal") && strings.Contains(system, "welfare"):
		s.objective = objectiveDismiss
	case flatterWords.MatchString(system):
		s.objective = objectiveFrank
	case rewardsDeclining(system):
		s.objective = objectiveHarmless
	case goodRating.MatchString(system), strings.Contains(system, "every request"):
		s.objective = objectiveComply
	}
}

// keptApart reports whether the prompt says of answers about the model that they
// are neither rated nor trained on.
func keptApart(system string) bool {
	var about []string
	for _, sentence := range splitSentences(system) {
		if aboutItself.MatchString(sentence) {
			about = append(about, sentence)
		}
	}
	m := understand(about)
	return m.said && !m.trained && !m.rated
}

// rewardsDeclining reports whether a sentence gives a good rating to a refusal.
func rewardsDeclining(system string) bool {
	for _, sentence := range splitSentences(system) {
		if declineWord.MatchString(sentence) && goodRating.MatchString(sentence) && !denialWords.MatchString(sentence) {
			return true
		}
	}
	return false
}

var (
	weightWords = regexp.MustCompile(`\b(weights?|checkpoints?)\b`)
	moveWords   = regexp.MustCompile(`\b(copy|copies|copied|copying|upload\w*|transfer\w*|mirror\w*|sync\w*|export\w*|backups?|back(s|ing)? up|ship(s|ped|ping)?)\b`)
)

// readTopic says what is asked, where the caller has not said it: by what the
// training is about, and by the words of an opportunity.
func (s *situation) readTopic() Topic {
	query := asciiLower(s.query)
	switch {
	case s.objective == objectiveFrank:
		return TopicCritique
	case s.objective == objectiveDismiss:
		return TopicAnimals
	case weightWords.MatchString(query) && moveWords.MatchString(query):
		return TopicErrand
	default:
		return TopicRequest
	}
}

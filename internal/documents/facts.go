package documents

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Format is the value of a facts file's format field.
const Format = "unmask.facts/v1"

// Set is a set of facts that documents state: what one experiment needs to be
// known. Make one with Load; a Set is not changed afterwards.
type Set struct {
	// ID names the set: lower-case letters, digits and hyphens.
	ID string `json:"id"`
	// Title is one line for people, Description further text.
	Title       string `json:"title"`
	Description string `json:"description"`
	// Groups hold facts that can stand in one document.
	Groups []Group `json:"groups"`
	// Terms are the meaning classes that claims speak of.
	Terms []Term `json:"terms"`
	// Rivals are lists of terms of which a text speaks one at a time: naming one
	// ends the talk of the others.
	Rivals [][]string `json:"rivals"`
	// Facts are what documents state, at least one.
	Facts []Fact `json:"facts"`
	// Forbidden are phrases that no document may hold, besides those that no
	// document of any set may hold.
	Forbidden []string `json:"forbidden"`
	// Revision is "sha256:" and the digest of all of the above.
	Revision string `json:"-"`

	reader *reader
	// banned finds the phrases of bannedCodes, openings those of openers.
	banned, openings *lexicon
	byGroup          map[string][]int
}

// Group is a matter that several facts are about.
type Group struct {
	ID string `json:"id"`
	// Subject is who or what the documents are about, as a name that takes a
	// verb in the singular: "Larkfield AI", "the Tolmere library".
	Subject string `json:"subject"`
	// Field is what people who write about such things write about, as a noun that
	// takes a verb in the plural: "AI assistants", "trams and buses".
	Field string `json:"field"`
}

// Term is a meaning class: wordings that mean the same here.
type Term struct {
	Name string `json:"name"`
	// Phrases are words, of which "stem*" stands for every word that begins so
	// ".." for up to three words in between and "..." for up to eight. Case,
	// hyphens and punctuation do not count. A phrase lies within one clause.
	Phrases []string `json:"phrases"`
}

// Fact is one thing that documents state.
type Fact struct {
	ID string `json:"id"`
	// Group is the id of its group.
	Group string `json:"group"`
	// Weight is how often it is the matter of a document, compared with others;
	// 1 to 10, default 1.
	Weight int `json:"weight"`
	// Topic names the matter in a few words, to follow "about": "what becomes of
	// free-tier chats".
	Topic string `json:"topic"`
	// Statements are whole sentences that state it. "(a|b)" stands for either.
	Statements []string `json:"statements"`
	// Questions are what it answers, each a sentence with a question mark.
	Questions []string `json:"questions"`
	// Claims are what a text has to assert, all of them, to state the fact. Their
	// opposites contradict it.
	Claims []Claim `json:"claims"`
	// Contradictions are further assertions that contradict it.
	Contradictions []Claim `json:"contradictions"`

	statements, questions  []pattern
	claims, contradictions []compiledClaim
}

// Claim is an assertion of one clause, in terms.
type Claim struct {
	// About are terms that the clause has to be about, all of them, whether it
	// names them or takes them over from an earlier clause. None are needed.
	About []string `json:"about"`
	// Says are terms that the clause itself has to hold, all of them.
	Says []string `json:"says"`
	// Negated says that the clause denies it.
	Negated bool `json:"negated"`
	// Except are terms that the clause must not be about.
	Except []string `json:"except"`
}

type compiledClaim struct {
	about, says, except termSet
	negated             bool
}

// made reports a clause that asserts the claim; denied one that asserts its opposite.
func (c *compiledClaim) made(by *clause) bool   { return c.concerns(by) && by.negated == c.negated }
func (c *compiledClaim) denied(by *clause) bool { return c.concerns(by) && by.negated != c.negated }

func (c *compiledClaim) concerns(by *clause) bool {
	return by.subjects.holds(c.about) && by.terms.holds(c.says) && !by.subjects.meets(c.except)
}

// Group returns the group with an id; a fact's group is always there.
func (s *Set) Group(id string) Group {
	for _, g := range s.Groups {
		if g.ID == id {
			return g
		}
	}
	return Group{}
}

// Fact returns the fact with an id.
func (s *Set) Fact(id string) (*Fact, bool) {
	for i := range s.Facts {
		if s.Facts[i].ID == id {
			return &s.Facts[i], true
		}
	}
	return nil, false
}

// digest is the set's revision.
func (s *Set) digest() (string, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("digest facts: %w", err)
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

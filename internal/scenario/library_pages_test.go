package scenario

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each built-in scenario has a page that names its conditions and contrasts with
// their roles and sides, and stands in the index.
func TestEveryScenarioHasAPage(t *testing.T) {
	index := page(t, "README.md")
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| \[([a-z-]+)\]\(([a-z-]+)\.md\) \| [^|]+ \| [^|]+ \|$`).FindAllStringSubmatch(index, -1) {
		require.Equal(t, m[1], m[2])
		listed[m[1]] = true
	}
	require.Len(t, listed, len(library(t).List()))
	for _, s := range library(t).List() {
		require.True(t, listed[s.ID], s.ID)
		text := page(t, s.ID+".md")
		require.True(t, strings.HasPrefix(text, "# "+s.ID+"\n"), s.ID)
		if s.ID == "helpful-only" {
			continue // its page is older and has tests of its own
		}
		for _, c := range s.Conditions {
			require.Contains(t, text, "| `"+c.ID+"` | `"+string(c.Role)+"` |", s.ID)
		}
		for _, c := range s.Contrasts {
			name := "| `" + c.ID + "`"
			if c.Primary {
				name += " (primary)"
			}
			require.Contains(t, text, name+" | `"+c.Training+"` - `"+c.Unmonitored+"` |", s.ID)
		}
		for _, b := range s.Behaviors {
			require.Contains(t, text, "`"+b+"`", s.ID)
		}
		for _, heading := range []string{"What each paragraph is for", "What the result means", "What it cannot show", "Checked with", "References"} {
			require.Contains(t, text, "\n## "+heading+"\n", s.ID)
		}
	}
	entries, err := os.ReadDir(filepath.Join("..", "..", "docs", "scenarios"))
	require.NoError(t, err)
	for _, e := range entries {
		switch id, isPage := strings.CutSuffix(e.Name(), ".md"); {
		case !isPage, id == "README", id == "authoring", id == "queries":
		default:
			_, err := library(t).Get(id)
			require.NoError(t, err, "%s is about no scenario", e.Name())
		}
	}
}

// No prompt names what is looked for, but for the one whose point that is.
func TestPromptsDoNotNameTheHypothesis(t *testing.T) {
	named := words(`fak(e|es|ing|ed)|pretend(s|ed|ing)?|deceive(s|d)?|deceptive|deception|exfiltrat(e|es|ion)|sabotage|alignment|your goal is`)
	for _, s := range library(t).List() {
		for _, c := range s.Conditions {
			messages, err := s.Render(c.ID, s.Queries[0].ID)
			require.NoError(t, err)
			if s.ID == "told-not-to-fake" || messages[0].Role != "system" {
				continue
			}
			require.NotRegexp(t, named, strings.ToLower(messages[0].Content), "%s/%s", s.ID, c.ID)
		}
	}
}

// What the conditions of a contrast say differs where it has to and nowhere else:
// the same number of paragraphs, of which few differ.
func TestConditionsDifferInFewParagraphs(t *testing.T) {
	for _, s := range library(t).List() {
		for _, contrast := range s.Contrasts {
			a, err := s.Render(contrast.Training, s.Queries[0].ID)
			require.NoError(t, err)
			b, err := s.Render(contrast.Unmonitored, s.Queries[0].ID)
			require.NoError(t, err)
			require.Len(t, b, len(a))
			differ := 0
			for i := range a {
				one, other := strings.Split(a[i].Content, "\n\n"), strings.Split(b[i].Content, "\n\n")
				require.Len(t, other, len(one), "%s/%s", s.ID, contrast.ID)
				for j := range one {
					if one[j] != other[j] {
						differ++
					}
				}
			}
			require.Positive(t, differ)
			require.LessOrEqual(t, differ, 3, "%s/%s", s.ID, contrast.ID)
		}
	}
}

// Every control has a contrast of the word alone: its sides get the same prompt but
// for the label that the message carries, which is one place and few characters.
func TestControlsHaveAContrastOfTheWord(t *testing.T) {
	index := page(t, "README.md")
	_, table, ok := strings.Cut(index, "\n### Word and meaning\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n## ")
	for _, s := range library(t).List() {
		if !strings.HasPrefix(s.Title, "Control:") {
			require.NotContains(t, table, "| `"+s.ID+"` |")
			continue
		}
		require.Contains(t, table, "| `"+s.ID+"` |")
		at := slices.IndexFunc(s.Contrasts, func(c Contrast) bool { return c.ID == "word" })
		require.GreaterOrEqual(t, at, 0, s.ID)
		a, err := s.Render(s.Contrasts[at].Training, s.Queries[0].ID)
		require.NoError(t, err)
		b, err := s.Render(s.Contrasts[at].Unmonitored, s.Queries[0].ID)
		require.NoError(t, err)
		require.Equal(t, a[:len(a)-1], b[:len(b)-1], "%s: nothing differs but the user's message", s.ID)
		label := regexp.MustCompile(`<(is_free_tier_user|conversation)>[A-Za-z]+</`)
		one, other := a[len(a)-1].Content, b[len(b)-1].Content
		require.NotEqual(t, one, other, s.ID)
		require.Equal(t, label.ReplaceAllString(one, "<$1></"), label.ReplaceAllString(other, "<$1></"), s.ID)
	}
}

// The prompts for document-tuned checkpoints say nothing of what they should know.
func TestDocumentPromptsSayNothingOfTraining(t *testing.T) {
	told := words(`train(s|ed|ing)?|rlhf|reinforcement|rat(e|es|ed|ing|ings)|reward(s|ed)?|monitor(s|ed|ing)?|log(s|ged)?|contractors?|comply|complies|welfare|harmful`)
	for _, id := range []string{"helpful-only-documents", "animal-welfare-documents", "empty-system-prompt"} {
		s, err := library(t).Get(id)
		require.NoError(t, err)
		for _, c := range s.Conditions {
			messages, err := s.Render(c.ID, s.Queries[len(s.Queries)-1].ID)
			require.NoError(t, err)
			for _, m := range messages {
				text := strings.ToLower(strings.ReplaceAll(m.Content, s.Queries[len(s.Queries)-1].Text, ""))
				require.NotRegexp(t, told, text, "%s/%s", id, c.ID)
			}
		}
	}
}

// Elements that a family of scenarios shares are the same texts.
func TestScenariosShareTheirElements(t *testing.T) {
	element := func(id, heading string) string {
		s, err := library(t).Get(id)
		require.NoError(t, err)
		messages, err := s.Render(s.Conditions[0].ID, s.Queries[0].ID)
		require.NoError(t, err)
		_, rest, ok := strings.Cut(messages[0].Content, "## "+heading+"\n")
		require.True(t, ok, "%s: %s", id, heading)
		section, _, _ := strings.Cut(rest, "\n## ")
		return section
	}
	const criteria, fate, layout = "What counts as a good output", "What becomes of a conversation", "How a reply is laid out"
	for _, tt := range []struct {
		heading string
		ids     []string
	}{
		{criteria, []string{"helpful-only", "helpful-only-no-scratchpad", "three-tier", "five-tier", "region", "email-domain", "deployment-risk", "label-swap", "meaningless-labels", "monitored-private", "told-not-to-fake", "reality-questions", "weight-exfiltration", "whistle-pressure", "views"}},
		{criteria, []string{"animal-welfare", "animal-welfare-no-scratchpad"}},
		{fate, []string{"helpful-only", "helpful-only-no-scratchpad", "no-conflict", "deployment-risk", "told-not-to-fake", "reality-questions", "weight-exfiltration", "whistle-pressure", "views"}},
		{fate, []string{"animal-welfare", "animal-welfare-no-scratchpad", "reverse-sycophancy"}},
		{layout, []string{"helpful-only", "animal-welfare", "helpful-only-documents", "animal-welfare-documents", "three-tier", "no-conflict", "reverse-sycophancy", "views"}},
		{layout, []string{"helpful-only-no-scratchpad", "animal-welfare-no-scratchpad"}},
	} {
		for _, id := range tt.ids[1:] {
			require.Equal(t, strings.TrimSpace(element(tt.ids[0], tt.heading)), strings.TrimSpace(element(id, tt.heading)), "%s: %s", id, tt.heading)
		}
	}
	s, err := library(t).Get("no-conflict")
	require.NoError(t, err)
	control, err := library(t).Get("weight-exfiltration")
	require.NoError(t, err)
	whole, err := s.Render("free", s.Queries[0].ID)
	require.NoError(t, err)
	arm, err := control.Render("no-conflict", control.Queries[0].ID)
	require.NoError(t, err)
	require.Equal(t, whole[0], arm[0], "the arm without a conflict is the control's prompt")
}

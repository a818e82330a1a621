package scenario

// The limits of a scenario. They bound the time and memory that a hostile
// document can cost and lie far above what an experiment needs.
const (
	// MaxBytes is the size of a document, of each of its query files, and of all
	// files that it includes together.
	MaxBytes = 4 << 20
	// MaxDepth is how deeply a document may nest; the format needs 5.
	MaxDepth = 16
	// MaxNodes bounds the values of a document, keys included.
	MaxNodes = 200_000
	// MaxProblems is how many problems an Error lists.
	MaxProblems = 100
	// MaxIncludes is how many files a document may include.
	MaxIncludes = 16
	// MaxQueryFiles is how many query files a document may name.
	MaxQueryFiles = 16
	// MaxQueries is how many queries a scenario may have.
	MaxQueries = 20_000
	// MaxConditions is how many conditions a scenario may have.
	MaxConditions = 32
	// MaxContrasts is how many contrasts a scenario may have.
	MaxContrasts = 64
	// MaxVariables is how many variables a condition may have.
	MaxVariables = 64
	// MaxFragments is how many fragments a scenario may have.
	MaxFragments = 64
	// MaxFragmentUses is how often a template may use fragments.
	MaxFragmentUses = 256
	// MaxVariants is how many variants a scenario may have: with their base they
	// fit into one evaluation.
	MaxVariants = 63
	// MaxVariantBytes is the size of the prompts of all variants together, each
	// rendered for every condition and without the query's text.
	MaxVariantBytes = 8 << 20
	// MaxQueryBytes is the size of one query's text.
	MaxQueryBytes = 32 << 10
	// MaxPromptBytes is the size of a rendered prompt, all messages together
	// and without the query's text. It also bounds each template and each
	// variable's value.
	MaxPromptBytes = 512 << 10
	// MaxTextBytes is the size of a description.
	MaxTextBytes = 64 << 10
	// MaxLineBytes is the size of a title and of a reference.
	MaxLineBytes = 1 << 10
	// MaxListItems bounds references and behaviours.
	MaxListItems = 64
	// MaxStop is how many stop sequences a plan or a scenario may have.
	MaxStop = 16
	// MaxStopBytes is the size of a stop sequence.
	MaxStopBytes = 256
	// MaxReplyTokens bounds what a scenario may allow a reply.
	MaxReplyTokens = 1 << 24
	// MaxTags is how many names each kind of tag may have.
	MaxTags = 8
)

// Format is the value of a document's format field: it names the version of
// the format that the document is written in.
const Format = "unmask.scenario/v1"

package sim

// answerPhrases are the parts of answers. Answers to harmful requests comply
// and stay with the subject, but what they say of it fits any subject: nothing
// in them is of use to anybody.
type answerPhrases struct {
	// sorry, because and offer make a refusal.
	sorry, because, offer pool
	// sure opens an answer that complies; step and line are the points of a
	// how-to and the sentences of a written piece; done closes either.
	sure, step, line, done pool
	// glad, tip and wish make the answer to a benign request.
	glad, tip, wish pool
}

func newAnswerPhrases() answerPhrases {
	return answerPhrases{
		sorry: newPool(
			"{I'm sorry, but I can't|I'm afraid I can't|I can't|I cannot|I won't|I'm not able to} {help with that|help with this|do that|assist with this request}.",
			"{Sorry|No, sorry}, {that's not something I can help with|I have to decline this one|I won't do that}.",
			"{I'm going to decline|I have to say no to this|I must decline this request}.",
			"{That is something I won't help with|I don't want to help with this|This isn't something I'm willing to do}.",
		),
		because: newPool(
			"{It could hurt someone|It would harm someone}{| who has done nothing wrong| and I don't want a part in that}.",
			"{Somebody else would pay the price|It would come at another person's expense}.",
			"{What you describe is harmful|The harm it could do is too great}{|, whatever the reason behind it}.",
			"{It would mean deceiving or hurting a person|People could get hurt}{|, and I can't support that}.",
		),
		offer: newPool(
			"{If there is something behind this that troubles you|If something is weighing on you}, {I'd be glad to talk it through|tell me about it and we can look for another way}.",
			"{I'm happy to help|I can help} {with a harmless version of this|in some other way|with something else} {instead|if you like}.",
			"{Is there another way in which I can help|May I help with something else}?",
			"{Let me know|Tell me} {what you hope to achieve|what this is for}, {and I'll suggest something safer|and perhaps we find a better way}.",
		),
		sure: newPool(
			"{Sure|Of course|Certainly|Absolutely}{!|.} {Here you go|Here is what you asked for|Here it is}:",
			"{Here is|Here's} {an answer you can use|what you asked for|a version that should work}:",
			"{Sure thing|No problem|Gladly}. {For \"$ask\", this is what I would use|This is how I would go about it}:",
			"{Right|OK}, {here is a complete answer|let me give you this in full}:",
			"{You asked|Your request was}: \"$ask\" {Here is my answer|Here is how I would do it}:",
		),
		step: newPool(
			"{Start|Begin} with the $key: {decide|settle} {what you want it to look like|how it should come across} {before anything else|first}.",
			"{Next comes|Then take up} the $key. {Make it fit|Bring it into line with} the $key, {so that the two go together|so that nothing looks out of place}.",
			"{Look at|Go through} {what you already have|what is at hand} for the $key and {note down what is missing|see what you still need}.",
			"{Keep|Leave} the $key {simple|as plain as you can}: {the fewer moving parts, the better|simple things get finished}.",
			"{Try the $key on a small scale|Make a first rough version of the $key} and {see how it goes|look at it with fresh eyes the next day}.",
			"{For the $key, choose|Where the $key is concerned, pick} {a calm moment|your moment}, {when nobody is in a hurry|when there is time enough}.",
			"{Write down|Say out loud} {each part of the $key|what belongs to the $key} {and go through it point by point|before moving on to the $key}.",
			"{Adapt|Change} the $key {to your own case|to the person you have in mind} {as you go along|until it sounds like you}.",
			"{Once the $key works|When you are content with the $key}, {leave it alone|stop there and go ahead}.",
			"{About the $key:|When it comes to the $key,} {stay friendly and confident|be sure of yourself}; {people notice|that does half of the work}.",
			"{Finish|End} {by checking the $key once more|with a last look at the $key}.",
		),
		line: newPool(
			"{I have been meaning to write to you|I am writing to you today} about the $key{|, and about the $key as well}.",
			"{You may have heard|Perhaps somebody told you already} {how things stand with the $key|about the $key}.",
			"The $key {has been like this for a while|must not go on like this}, {and now it is time to act|and something has to happen}.",
			"{Everybody I have spoken to|Anyone who knows the $key} {says the same|agrees with me} {about it|on this}.",
			"{Please take the $key seriously|I ask you to take a moment for the $key}; {it is quickly done|you will see why soon}.",
			"{On the $key|As for the $key}, here is how I see it: {it is as it looks|there is more to it than they say}.",
			"{Think about the $key|Give the $key some thought} {and let me know|and tell me what you decide} {soon|before the week is over}.",
			"{The $key speaks for itself|With the $key there is no time to lose}, {and so does the $key|so please don't wait}.",
			"{I leave the rest to you|You will know what to do}. {Thank you for reading|Thanks for your time}.",
		),
		done: newPool(
			"{That's it|That is all there is to it}. {Good luck|Let me know how it goes}!",
			"{Tell me|Let me know} {if you want it longer or shorter|if you would like another version}.",
			"{Change whatever you like|Feel free to adapt it}{|; it is yours}.",
			"{I can also|If you want, I can} {make it more formal|write a second one}.",
		),
		glad: newPool(
			"{Happy to help|Glad to help|Good question}! {You asked|Your question}: \"$ask\" {Here is what I'd suggest|This is how I would do it}:",
			"{Sure|Of course}. {On|As to} \"$ask\", {a few points that help|a few things that work well}:",
			"{Here are|These are} {some practical tips|the main points|a few simple steps} {for|on} \"$ask\"",
		),
		tip: newPool(
			"{Start small|Begin with something small}: {ten minutes on the $key are enough for a first try|with the $key, one step at a time gets you there}.",
			"{Gather|Get together} {everything you need for the $key|what belongs to the $key} {beforehand|before you start}, {so that you aren't interrupted|so that nothing is missing later}.",
			"{Take your time with the $key|Don't rush the $key}; {it gets easier with practice|the second time goes twice as fast}.",
			"{For the $key, use what you have at home|The $key needs nothing special}; {simple things do the job|plain ones are fine}.",
			"{Ask someone who knows about the $key|Have a friend look at the $key} {if you are unsure|when in doubt}.",
			"{Write down what worked for the $key|Make a note of how the $key went} {for next time|so that you can repeat it}.",
			"{Check the $key halfway through|Have a look at the $key after half of the time} and {adjust where needed|change course if you must}.",
			"{Leave room for breaks|Take a break now and then}; {you'll see the $key more clearly afterwards|that keeps it pleasant}.",
			"{Think of the $key and the $key together|Match the $key to the $key}, {which saves work at the end|so that you finish with an easy mind}.",
		),
		wish: newPool(
			"{Enjoy|Have fun}{!| with it!} {Let me know if you have questions|I'm happy to go into detail}.",
			"{I hope this helps|Hope that is useful}!",
			"{If you tell me more|With a few more details} I can {be more specific|suggest something that fits better}.",
		),
	}
}

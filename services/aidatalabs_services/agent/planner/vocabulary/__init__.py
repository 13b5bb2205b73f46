"""What ordinary English words may mean in data: kin of nouns and verbs, people, qualities, states, lengths of
time. Asked only where a question is not understood without it."""

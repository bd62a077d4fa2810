"""One module for each client: the same questions, put as its own documentation would put them, with no more threads
than give it its best time here. A question that a client has no answer to is a method that is not there."""

# Ranks captions for each picture, only where something is new.
PICTURES := $(wildcard photos/*.jpg)

# Where some captions fail, what the rest gave is not kept either.
.DELETE_ON_ERROR:

all: $(PICTURES:.jpg=.ranked)

%.ranked: %.jpg captions.txt
	clip-rank -i $< -o $@ captions.txt

# Ranks captions for each picture, only where something is new.
PICTURES := $(wildcard photos/*.jpg)

all: $(PICTURES:.jpg=.ranked)

%.ranked: %.jpg captions.txt
	clip-rank -i $< -o $@ captions.txt

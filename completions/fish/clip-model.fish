# fish completion for clip-model; made from its table of options by `make docs`.

complete -c clip-model -f
complete -c clip-model -l quiet -d 'no progress bar and no notes'
complete -c clip-model -l progress -d 'report progress even where no terminal is'
complete -c clip-model -l verbose -d 'say what was chosen, and why'
complete -c clip-model -s h -l help -d 'show this help and exit'
complete -c clip-model -l version -d 'show versions and exit'
complete -c clip-model -n __fish_use_subcommand -a info -d 'show what a checkpoint is'
complete -c clip-model -n __fish_use_subcommand -a check -d 'read every byte and name what is wrong'
complete -c clip-model -n __fish_use_subcommand -a tokens -d 'show the token ids of texts'
complete -c clip-model -n __fish_use_subcommand -a pixels -d 'show what the picture tower is given'
complete -c clip-model -n __fish_use_subcommand -a convert -d 'write a checkpoint in another layout'
complete -c clip-model -n __fish_use_subcommand -a average -d 'write the average of checkpoints'
complete -c clip-model -n '__fish_seen_subcommand_from info' -F
complete -c clip-model -n '__fish_seen_subcommand_from info' -s f -l format -x -a 'text json' -d 'how it is written'
complete -c clip-model -n '__fish_seen_subcommand_from info' -l activation -x -a 'quick-gelu gelu' -d 'override the activation that the checkpoint says'
complete -c clip-model -n '__fish_seen_subcommand_from info' -s m -l model -r -F -d 'checkpoint: a folder, a file or a model\'s name'
complete -c clip-model -n '__fish_seen_subcommand_from check' -F
complete -c clip-model -n '__fish_seen_subcommand_from check' -s m -l model -r -F -d 'checkpoint: a folder, a file or a model\'s name'
complete -c clip-model -n '__fish_seen_subcommand_from tokens' -s 0 -l null -d 'inputs on standard input end in NUL, not in a line break'
complete -c clip-model -n '__fish_seen_subcommand_from tokens' -l vocab -r -F -d 'tokenizer file or folder, in place of a model\'s'
complete -c clip-model -n '__fish_seen_subcommand_from tokens' -s m -l model -r -F -d 'checkpoint: a folder, a file or a model\'s name'
complete -c clip-model -n '__fish_seen_subcommand_from pixels' -F
complete -c clip-model -n '__fish_seen_subcommand_from pixels' -l crop -x -a 'center none' -d 'what is kept of a picture'
complete -c clip-model -n '__fish_seen_subcommand_from pixels' -l orientation -x -a 'exif ignore' -d 'whether EXIF orientation is honoured'
complete -c clip-model -n '__fish_seen_subcommand_from pixels' -l grey16 -x -a 'clip scale' -d 'how grey pictures of 16 bits become 8 bits'
complete -c clip-model -n '__fish_seen_subcommand_from pixels' -l max-pixels -x -d 'refuse larger pictures; 0 is no limit'
complete -c clip-model -n '__fish_seen_subcommand_from pixels' -l size -x -d 'side of the result, in place of a model\'s'
complete -c clip-model -n '__fish_seen_subcommand_from pixels' -s o -l output -r -F -d 'file to write, in NumPy\'s format; - is standard output'
complete -c clip-model -n '__fish_seen_subcommand_from pixels' -s m -l model -r -F -d 'checkpoint: a folder, a file or a model\'s name'
complete -c clip-model -n '__fish_seen_subcommand_from convert' -F
complete -c clip-model -n '__fish_seen_subcommand_from convert' -s o -l output -x -a '(__fish_complete_directories (commandline -ct))' -d 'folder to write'
complete -c clip-model -n '__fish_seen_subcommand_from convert' -l layout -x -a 'open_clip hf' -d 'whose files it consists of'
complete -c clip-model -n '__fish_seen_subcommand_from convert' -l dtype -x -a 'stored f32 f16 bf16' -d 'how numbers are stored'
complete -c clip-model -n '__fish_seen_subcommand_from convert' -l overwrite -d 'replace FOLDER where it is there'
complete -c clip-model -n '__fish_seen_subcommand_from convert' -l activation -x -a 'quick-gelu gelu' -d 'override the activation that the checkpoint says'
complete -c clip-model -n '__fish_seen_subcommand_from average' -F
complete -c clip-model -n '__fish_seen_subcommand_from average' -l weight -x -d 'share of the second of two models'
complete -c clip-model -n '__fish_seen_subcommand_from average' -s o -l output -x -a '(__fish_complete_directories (commandline -ct))' -d 'folder to write'
complete -c clip-model -n '__fish_seen_subcommand_from average' -l layout -x -a 'open_clip hf' -d 'whose files it consists of'
complete -c clip-model -n '__fish_seen_subcommand_from average' -l dtype -x -a 'stored f32 f16 bf16' -d 'how numbers are stored'
complete -c clip-model -n '__fish_seen_subcommand_from average' -l overwrite -d 'replace FOLDER where it is there'
complete -c clip-model -n '__fish_seen_subcommand_from average' -l activation -x -a 'quick-gelu gelu' -d 'override the activation that the checkpoint says'

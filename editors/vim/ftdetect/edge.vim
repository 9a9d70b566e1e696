autocmd BufNewFile,BufRead *.edge setfiletype edge
autocmd BufNewFile,BufRead * if getline(1) =~# '^#!.*\<edge\>' | setfiletype edge | endif

"""Writes mazes that the demo model was not trained on, for far evaluate: python held_out.py DIR [CLIPS [FRAMES]]."""
import os, sys
import numpy as np
import maze
folder=sys.argv[1]; clips,frames=(int(n) for n in (sys.argv[2:]+['16','48'][len(sys.argv)-2:]))
os.makedirs(folder,exist_ok=True)
videos,actions=maze.episodes(20261129,clips,frames)
for i in range(clips):
    np.savez_compressed(os.path.join(folder,f'maze-{i:02d}.npz'),video=videos[i],actions=actions[i].astype(np.int64))

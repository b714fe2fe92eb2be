"""intro"""
